// SPDX-License-Identifier: MIT

// Connects to 127.0.0.1:50000 by Go's own system calls: as package net does, from the port that is
// given (then net's own check for self-connections is off), or without package net.
package main

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

func byNet(localPort string) error {
	local, err := net.ResolveTCPAddr("tcp", "127.0.0.1:"+localPort)
	if err != nil {
		return err
	}
	c, err := (&net.Dialer{LocalAddr: local}).Dial("tcp", "127.0.0.1:50000")
	if err != nil {
		return err
	}
	fmt.Printf("connect: 0\nlocal: %v\npeer: %v\n", c.LocalAddr(), c.RemoteAddr())
	return nil
}

func bySyscall() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	server := &syscall.SockaddrInet4{Port: 50000, Addr: [4]byte{127, 0, 0, 1}}
	if err = syscall.Connect(fd, server); err != nil {
		return err
	}
	local, _ := syscall.Getsockname(fd)
	peer, _ := syscall.Getpeername(fd)
	for name, end := range map[string]syscall.Sockaddr{"local": local, "peer": peer} {
		e := end.(*syscall.SockaddrInet4)
		fmt.Printf("%s: %v:%d\n", name, net.IP(e.Addr[:]), e.Port)
	}
	return nil
}

func main() {
	var err error
	if len(os.Args) == 2 {
		err = byNet(os.Args[1])
	} else {
		err = bySyscall()
	}
	if err != nil {
		fmt.Println(err)
	}
}
