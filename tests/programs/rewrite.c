/* SPDX-License-Identifier: MIT */
/* Runs a command in a control group whose BPF program rewrites the destination of connect(), as
 * Cilium does for services (bpf(2), BPF_CGROUP_INET4_CONNECT):
 *
 *     rewrite ADDRESS PORT NEW-ADDRESS NEW-PORT COMMAND [ARGUMENT]...      (as root)
 */
#include "common.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ADDRESS offsetof(struct bpf_sock_addr, user_ip4)
#define PORT offsetof(struct bpf_sock_addr, user_port)

static int32_t network_address(const char *text)
{
    return (int32_t)inet_addr(text);
}

static int32_t network_port(const char *text)
{
    return htons((in_port_t)atoi(text));
}

/* r1 is the context. Any result except 1 fails the call with EPERM. */
static int load_program(char **arguments)
{
    enum { LOAD = BPF_LDX | BPF_MEM | BPF_W, STORE = BPF_STX | BPF_MEM | BPF_W };
    enum { MOVE = BPF_ALU64 | BPF_MOV | BPF_K, MOVE_32 = BPF_ALU | BPF_MOV | BPF_K };
    enum { IF_NOT = BPF_JMP32 | BPF_JNE | BPF_K };
    const struct bpf_insn program[] = {
        {.code = LOAD, .dst_reg = 2, .src_reg = 1, .off = ADDRESS},
        {.code = IF_NOT, .dst_reg = 2, .off = 6, .imm = network_address(arguments[0])},
        {.code = LOAD, .dst_reg = 2, .src_reg = 1, .off = PORT},
        {.code = IF_NOT, .dst_reg = 2, .off = 4, .imm = network_port(arguments[1])},
        {.code = MOVE_32, .dst_reg = 2, .imm = network_address(arguments[2])},
        {.code = STORE, .dst_reg = 1, .src_reg = 2, .off = ADDRESS},
        {.code = MOVE_32, .dst_reg = 2, .imm = network_port(arguments[3])},
        {.code = STORE, .dst_reg = 1, .src_reg = 2, .off = PORT},
        {.code = MOVE, .dst_reg = 0, .imm = 1},
        {.code = BPF_JMP | BPF_EXIT},
    };
    static const char license[] = "MIT";
    union bpf_attr load = {.prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
                           .expected_attach_type = BPF_CGROUP_INET4_CONNECT,
                           .insns = (uintptr_t)program,
                           .insn_cnt = sizeof program / sizeof *program,
                           .license = (uintptr_t)license};

    return must((int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load), "BPF_PROG_LOAD");
}

static void attach(int program, int group)
{
    union bpf_attr attach = {.target_fd = (unsigned)group,
                             .attach_bpf_fd = (unsigned)program,
                             .attach_type = BPF_CGROUP_INET4_CONNECT};

    must((int)syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach), "BPF_PROG_ATTACH");
}

static void write_number(const char *path, long number)
{
    FILE *file = fopen(path, "w");

    if (file == NULL || fprintf(file, "%ld", number) < 0 || fclose(file) != 0)
        die(path);
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/rewrite.XXXXXX", group[64], members[96];
    int status, group_fd;

    if (argc < 6) {
        fprintf(stderr, "usage: rewrite ADDRESS PORT NEW-ADDRESS NEW-PORT COMMAND [ARGUMENT]...\n");
        return 2;
    }
    if (mkdtemp(folder) == NULL)
        die("mkdtemp");
    must(unshare(CLONE_NEWNS), "unshare");
    must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), "mount");
    must(mount("cgroup2", folder, "cgroup2", 0, NULL), "mount cgroup2");
    /* Other pid namespaces have the same process ids. */
    snprintf(group, sizeof group, "%s/%s", folder, folder + strlen("/tmp/"));
    snprintf(members, sizeof members, "%s/cgroup.procs", group);
    must(mkdir(group, 0755), group);
    group_fd = must(open(group, O_RDONLY | O_DIRECTORY), group);
    attach(load_program(argv + 1), group_fd);
    close(group_fd);

    pid_t child = must(fork(), "fork");
    if (child == 0) {
        write_number(members, getpid());
        execvp(argv[5], argv + 5);
        die(argv[5]);
    }
    must(waitpid(child, &status, 0), "waitpid");
    must(rmdir(group), group);
    must(umount(folder), folder);
    must(rmdir(folder), folder);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}
