/* Many hosts that answer what a group is asked, each after a random delay.
 *
 *   ask_hosts GROUP PORT INTERFACE PREFIX HOSTS JITTER_MS SIZE
 *
 * PREFIX is the first address, such as 10.88.1.0; the hosts have the next ones, which must be local here
 * (ip route add local 10.88.0.0/16 dev lo). Each question is answered once by every host; the answer begins
 * with the host's number.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static void fail(const char *what) { perror(what); exit(1); }

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + 1e-9 * (double)at.tv_nsec;
}

struct planned { double at; int host; };

static int earlier(const void *one, const void *other) {
    double a = ((const struct planned *)one)->at, b = ((const struct planned *)other)->at;
    return (a > b) - (a < b);
}

static int answer_as(int fd, in_addr_t source, const struct sockaddr_in *to, const char *data, size_t size) {
    char space[CMSG_SPACE(sizeof(struct in_pktinfo))] = {0};
    struct iovec part = {(void *)data, size};
    struct msghdr message = {.msg_name = (void *)to, .msg_namelen = sizeof *to, .msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = IPPROTO_IP, head->cmsg_type = IP_PKTINFO, head->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
    struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(head);
    info->ipi_spec_dst.s_addr = source;
    return sendmsg(fd, &message, 0) == (ssize_t)size;
}

int main(int argc, char **argv) {
    if (argc != 8) { fprintf(stderr, "usage: ask_hosts GROUP PORT INTERFACE PREFIX HOSTS JITTER_MS SIZE\n"); return 2; }
    int hosts = atoi(argv[5]), yes = 1;
    double jitter = atof(argv[6]) / 1000;
    size_t size = (size_t)atoi(argv[7]);
    uint32_t first = ntohl(inet_addr(argv[4]));
    struct planned *plan = calloc((size_t)hosts, sizeof *plan);
    char *data = calloc(1, size + 16), question[65536];
    struct sockaddr_in group = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2])),
                                .sin_addr.s_addr = inet_addr(argv[1])};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || sender < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes)) fail("socket");
    if (bind(fd, (struct sockaddr *)&group, sizeof group)) fail("bind");
    struct ip_mreqn join = {.imr_multiaddr = group.sin_addr, .imr_ifindex = (int)if_nametoindex(argv[3])};
    if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join)) fail("IP_ADD_MEMBERSHIP");
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct sockaddr_in asker;
        socklen_t length = sizeof asker;
        if (recvfrom(fd, question, sizeof question, 0, (struct sockaddr *)&asker, &length) < 0) continue;
        double start = now();
        for (int host = 0; host < hosts; host++)
            plan[host] = (struct planned){start + jitter * ((double)random() / RAND_MAX), host};
        qsort(plan, (size_t)hosts, sizeof *plan, earlier);
        for (int next = 0; next < hosts; next++) {
            for (double left; (left = plan[next].at - now()) > 0;) {
                struct timespec pause = {0, (long)(left * 1e9)};
                nanosleep(&pause, NULL);
            }
            memset(data, 'x', size);
            data[snprintf(data, size, "%d", plan[next].host)] = ' ';
            if (!answer_as(sender, htonl(first + 1 + (uint32_t)plan[next].host), &asker, data, size)) perror("sendmsg");
        }
    }
}
