// SPDX-License-Identifier: MIT

// Milliseconds that eight goroutines take which compute, allocate, and hand over their results.
package main

import (
	"fmt"
	"time"
)

func work(seed int, out chan<- int) {
	for i := 0; i < 500; i++ {
		values := make([]int, 4096)
		for round := 0; round < 20; round++ {
			for i := range values {
				seed = seed*1103515245 + 12345
				values[i] = seed >> 16
			}
		}
		out <- values[seed&4095]
	}
}

func main() {
	out := make(chan int)
	start := time.Now()
	for i := 0; i < 8; i++ {
		go work(i, out)
	}
	for i := 0; i < 8*500; i++ {
		<-out
	}
	fmt.Printf("%.1f\n", float64(time.Since(start).Nanoseconds())/1e6)
}
