// SPDX-License-Identifier: MIT
package port

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
)

// With a local port of its own choice, as load generators have it: package net looks for self-connections
// only without one.
func TestADeadPortRefuses(t *testing.T) {
	var first int
	ports, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if _, scanned := fmt.Sscan(string(ports), &first); err != nil || scanned != nil {
		t.Fatal("no range of ports")
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: first}}
	_, err = dialer.Dial("tcp", "127.0.0.1:50000")
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("not refused: %v", err)
	}
}
