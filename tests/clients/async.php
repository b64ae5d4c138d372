<?php
// SPDX-License-Identifier: MIT
$socket = stream_socket_client('tcp://127.0.0.1:50000', $errno, $error, 5,
    STREAM_CLIENT_CONNECT | STREAM_CLIENT_ASYNC_CONNECT);
echo gettype($socket), " $errno $error\n";
$read = null;
$write = [$socket];
$except = [$socket];
echo 'ready: ', stream_select($read, $write, $except, 5), "\n";
echo 'peer: ', var_export(stream_socket_get_name($socket, true), true), "\n";
echo 'written: ', var_export(fwrite($socket, "hello\n"), true), "\n";
