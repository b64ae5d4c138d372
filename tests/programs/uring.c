/* SPDX-License-Identifier: MIT */
/* Connects by io_uring, which bypasses libc (io_uring_prep_connect(3)). */
#include "common.h"

#include <liburing.h>

int main(int argc, char **argv)
{
    struct sockaddr_storage destination;
    struct io_uring ring;
    struct io_uring_cqe *completion;
    socklen_t length;
    int fd = socket_for(argc, argv, &destination, &length);
    int error = io_uring_queue_init(4, &ring, 0);

    if (error < 0) {
        fprintf(stderr, "io_uring: %s\n", strerror(-error));
        return 2;
    }
    io_uring_prep_connect(io_uring_get_sqe(&ring), fd, (struct sockaddr *)&destination, length);
    io_uring_submit_and_wait(&ring, 1);
    io_uring_peek_cqe(&ring, &completion);
    print_outcome(fd, -completion->res);
    return 0;
}
