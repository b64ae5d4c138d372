// SPDX-License-Identifier: MIT

// Milliseconds that eight goroutines take which compute, allocate, and hand over to each other.
package main

import (
	"fmt"
	"sync"
	"time"
)

func work(in <-chan int, out chan<- int) {
	for seed := range in {
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
	in, out := make(chan int), make(chan int)
	start := time.Now()
	var workers sync.WaitGroup
	for i := 0; i < 8; i++ {
		workers.Add(1)
		go func() { defer workers.Done(); work(in, out) }()
	}
	go func() {
		for i := 0; i < 4000; i++ {
			in <- i
		}
		close(in)
		workers.Wait()
		close(out)
	}()
	for range out {
	}
	fmt.Printf("%.1f\n", float64(time.Since(start).Nanoseconds())/1e6)
}
