/* The plainest echo server on a multicast group: one blocking recvfrom and one sendto for each datagram.
 *
 *   echo_loop GROUP PORT INTERFACE
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void fail(const char *what) { perror(what); exit(1); }

int main(int argc, char **argv) {
    static char data[65536];
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found;
    int yes = 1;
    if (argc != 4) { fprintf(stderr, "usage: echo_loop GROUP PORT INTERFACE\n"); return 2; }
    if (getaddrinfo(argv[1], argv[2], &hints, &found)) { fprintf(stderr, "bad address %s\n", argv[1]); return 2; }
    unsigned index = if_nametoindex(argv[3]);
    int fd = socket(found->ai_family, SOCK_DGRAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes)) fail("socket");
    struct group_req request = {.gr_interface = index};
    memcpy(&request.gr_group, found->ai_addr, found->ai_addrlen);
    if (found->ai_family == AF_INET6) ((struct sockaddr_in6 *)found->ai_addr)->sin6_scope_id = index;
    if (bind(fd, found->ai_addr, found->ai_addrlen)) fail("bind");
    int level = found->ai_family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
    if (setsockopt(fd, level, MCAST_JOIN_GROUP, &request, sizeof request)) fail("MCAST_JOIN_GROUP");
    for (;;) {
        struct sockaddr_storage source;
        socklen_t length = sizeof source;
        ssize_t got = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&source, &length);
        if (got >= 0) sendto(fd, data, (size_t)got, 0, (struct sockaddr *)&source, length);
    }
}
