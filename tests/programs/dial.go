// SPDX-License-Identifier: MIT

// Connects to 127.0.0.1:50000 by Go's own system calls, from a local port if it is given: package net looks for
// self-connections only without one.
package main

import (
	"fmt"
	"net"
	"os"
)

func main() {
	var dialer net.Dialer
	if len(os.Args) == 2 {
		dialer.LocalAddr, _ = net.ResolveTCPAddr("tcp", "127.0.0.1:"+os.Args[1])
	}
	c, err := dialer.Dial("tcp", "127.0.0.1:50000")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("connect: 0\nlocal: %v\npeer: %v\n", c.LocalAddr(), c.RemoteAddr())
}
