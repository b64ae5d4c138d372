# SPDX-License-Identifier: MIT
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_ERROR);

my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1:50000', Blocking => 0)
    or die "no socket: $@\n";
print "ready: ", scalar(IO::Select->new($socket)->can_write(5)), "\n";
$! = $socket->getsockopt(SOL_SOCKET, SO_ERROR);
print "error: $!\n";
print "connected: ", ($socket->connected ? "yes" : "no"), "\n";
