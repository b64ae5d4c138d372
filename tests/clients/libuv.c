/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <uv.h>

static void on_connect(uv_connect_t *request, int status)
{
    printf("callback: %s\n", status < 0 ? uv_err_name(status) : "connected");
    uv_close((uv_handle_t *)request->handle, NULL);
}

int main(void)
{
    struct sockaddr_in destination;
    uv_connect_t request;
    uv_tcp_t socket;
    int error;

    uv_tcp_init(uv_default_loop(), &socket);
    uv_ip4_addr("127.0.0.1", 50000, &destination);
    error = uv_tcp_connect(&request, &socket, (struct sockaddr *)&destination, on_connect);
    printf("call: %s\n", error != 0 ? uv_err_name(error) : "0");
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
