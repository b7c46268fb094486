/* Preloaded into a program, it fails what the file named by MCAST_SHIM says, while it says so.
 *
 * The file holds lines "CALL ERRNO [EVERY]": the call (sendto, sendmsg, socket, join, bind) gets that error, each
 * time or every EVERYth time. It is read anew for each call, so that a test changes its mind by writing the file.
 * What was refused is counted in MCAST_SHIM.count, one octet for each.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int refusal(const char *call)
{
    static unsigned long calls;
    const char *path = getenv("MCAST_SHIM");
    char text[512], name[32], counted[512], *line, *rest;
    int fd, number, every;
    ssize_t size;

    if (path == NULL || (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return 0;
    size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0)
        return 0;
    text[size] = 0;
    for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        every = 1;
        if (sscanf(line, "%31s %d %d", name, &number, &every) < 2 || strcmp(name, call) != 0)
            continue;
        if (every > 1 && __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) % every != 0)
            continue;
        snprintf(counted, sizeof counted, "%s.count", path);
        if ((fd = open(counted, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) >= 0) {
            if (write(fd, ".", 1) < 0)
                number = number;
            close(fd);
        }
        return number;
    }
    return 0;
}

#define REFUSE(call)                                                                                                   \
    do {                                                                                                               \
        int saved = errno, number = refusal(call);                                                                     \
        if (number != 0) {                                                                                             \
            errno = number;                                                                                            \
            return -1;                                                                                                 \
        }                                                                                                              \
        errno = saved;                                                                                                 \
    } while (0)

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length)
{
    static ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    if (to != NULL && (to->sa_family == AF_INET || to->sa_family == AF_INET6))
        REFUSE("sendto");
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "sendto");
    return real(fd, data, size, flags, to, length);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    static ssize_t (*real)(int, const struct msghdr *, int);
    const struct sockaddr *to = message->msg_name;
    if (to != NULL && (to->sa_family == AF_INET || to->sa_family == AF_INET6))
        REFUSE("sendmsg");
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "sendmsg");
    return real(fd, message, flags);
}

int socket(int domain, int type, int protocol)
{
    static int (*real)(int, int, int);
    if (domain == AF_INET || domain == AF_INET6)
        REFUSE("socket");
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "socket");
    return real(domain, type, protocol);
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    static int (*real)(int, int, int, const void *, socklen_t);
    if ((level == IPPROTO_IP && (option == IP_ADD_MEMBERSHIP || option == MCAST_JOIN_GROUP)) ||
        (level == IPPROTO_IPV6 && (option == IPV6_JOIN_GROUP || option == MCAST_JOIN_GROUP)))
        REFUSE("join");
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "setsockopt");
    return real(fd, level, option, value, size);
}
