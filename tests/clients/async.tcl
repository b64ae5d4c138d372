# SPDX-License-Identifier: MIT
set channel [socket -async 127.0.0.1 50000]
puts "socket has returned"
fileevent $channel writable {
    set error [fconfigure $channel -error]
    puts [expr {$error eq "" ? "connected" : "error: $error"}]
    set done 1
}
vwait done
