/* SPDX-License-Identifier: MIT */
#include <hiredis/async.h>
#include <poll.h>
#include <stdio.h>

static void on_connect(const redisAsyncContext *context, int status)
{
    printf("callback: %s\n", status == REDIS_OK ? "connected" : context->errstr);
}

int main(void)
{
    redisAsyncContext *context = redisAsyncConnect("127.0.0.1", 50000);
    struct pollfd writable = {.events = POLLOUT};

    if (context == NULL || context->err != 0) {
        printf("call: %s\n", context != NULL ? context->errstr : "no memory");
        return 1;
    }
    redisAsyncSetConnectCallback(context, on_connect);
    writable.fd = context->c.fd;
    printf("ready: %d\n", poll(&writable, 1, 5000));
    redisAsyncHandleWrite(context);
    return 0;
}
