/* Loaded before libc into an attacker: its connections come from addresses in 127.1.0.0/16, a hundred from each. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <sys/socket.h>

int connect(int socket_fd, const struct sockaddr *to, socklen_t length) {
    static int (*libc_connect)(int, const struct sockaddr *, socklen_t);
    static unsigned number;
    if (!libc_connect)
        libc_connect = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect");
    if (to->sa_family == AF_INET) {
        unsigned source = __atomic_fetch_add(&number, 1, __ATOMIC_RELAXED) / 100 % 60000;
        struct sockaddr_in from = {.sin_family = AF_INET};
        from.sin_addr.s_addr = htonl(0x7f010000u + source / 250 * 256 + source % 250 + 1);
        bind(socket_fd, (struct sockaddr *)&from, sizeof from);
    }
    return libc_connect(socket_fd, to, length);
}
