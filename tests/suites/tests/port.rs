// SPDX-License-Identifier: MIT
use std::io::ErrorKind;
use std::net::TcpStream;

#[test]
fn a_dead_port_refuses() {
    let error = TcpStream::connect("127.0.0.1:50000").expect_err("connected");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}
