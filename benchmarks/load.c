/* A load generator for echo servers on a multicast group; prints one JSON object.
 *
 *   load window GROUP PORT INTERFACE SIZE SECONDS OUTSTANDING   as many as the server can answer
 *   load rate   GROUP PORT INTERFACE SIZE SECONDS RATE          evenly spaced, with loss and round-trip times
 *
 * It never sleeps, so that its own waking up is in no figure: give it a core of its own. Each datagram begins with
 * its number and the time of sending (two 64-bit integers in host order), which the server returns.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 128
#define MAX_SIZE 65507
#define STALL_NS 20000000ull   /* no answer for so long: what is outstanding is lost */
#define DRAIN_NS 300000000ull  /* waited for the last answers of a fixed rate */
#define WARM_UP_NS 300000000ull

struct probe { uint64_t number, sent_at; };

static int fd;
static struct sockaddr_storage group;
static socklen_t group_length;
static size_t size;
static char *out_data[BATCH], *in_data[BATCH];
static struct mmsghdr out[BATCH], in[BATCH];
static struct iovec out_vector[BATCH], in_vector[BATCH];
static uint64_t next_number;

static void fail(const char *what) { perror(what); exit(1); }

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void open_socket(const char *host, const char *port, const char *interface) {
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found;
    unsigned index = if_nametoindex(interface);
    int buffer = 8 << 20;
    if (!index) fail(interface);
    if (getaddrinfo(host, port, &hints, &found)) { fprintf(stderr, "bad address %s\n", host); exit(1); }
    memcpy(&group, found->ai_addr, found->ai_addrlen);
    group_length = found->ai_addrlen;
    fd = socket(found->ai_family, SOCK_DGRAM, 0);
    if (fd < 0) fail("socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
    if (found->ai_family == AF_INET) {
        struct ip_mreqn request = {.imr_ifindex = (int)index};
        if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request)) fail("IP_MULTICAST_IF");
    } else {
        ((struct sockaddr_in6 *)&group)->sin6_scope_id = index;
        if (setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof index)) fail("IPV6_MULTICAST_IF");
    }
    freeaddrinfo(found);
    for (int i = 0; i < BATCH; i++) {
        out_data[i] = calloc(1, size);
        in_data[i] = malloc(MAX_SIZE);
        out_vector[i] = (struct iovec){out_data[i], size};
        in_vector[i] = (struct iovec){in_data[i], MAX_SIZE};
        out[i].msg_hdr = (struct msghdr){.msg_name = &group, .msg_namelen = group_length,
                                         .msg_iov = &out_vector[i], .msg_iovlen = 1};
        in[i].msg_hdr = (struct msghdr){.msg_iov = &in_vector[i], .msg_iovlen = 1};
    }
}

static int send_probes(int count) {
    uint64_t now = now_ns();
    for (int i = 0; i < count; i++) {
        struct probe p = {next_number + (uint64_t)i, now};
        memcpy(out_data[i], &p, sizeof p);
    }
    int sent = sendmmsg(fd, out, (unsigned)count, MSG_DONTWAIT);
    if (sent < 0) { if (errno == EAGAIN || errno == ENOBUFS) return 0; fail("sendmmsg"); }
    next_number += (uint64_t)sent;
    return sent;
}

static int receive_answers(void) {
    int got = recvmmsg(fd, in, BATCH, MSG_DONTWAIT, NULL);
    if (got >= 0) return got;
    if (errno == EAGAIN || errno == EINTR || errno == ECONNREFUSED) return 0;
    fail("recvmmsg");
    return 0;
}

static void run_window(double seconds, int outstanding) {
    uint64_t start = now_ns() + WARM_UP_NS, end = start + (uint64_t)(seconds * 1e9), now, heard_at = now_ns();
    uint64_t answered = 0, lost = 0;
    int in_flight = 0;
    while ((now = now_ns()) < end) {
        while (in_flight < outstanding) {
            int want = outstanding - in_flight;
            int sent = send_probes(want < BATCH ? want : BATCH);
            if (!sent) break;
            in_flight += sent;
        }
        int got = receive_answers();
        if (got) {
            heard_at = now;
            in_flight -= got;
            if (in_flight < 0) in_flight = 0;  /* answers once given up for lost */
            if (now >= start) answered += (uint64_t)got;
        } else if (now - heard_at > STALL_NS) {
            if (now >= start) lost += (uint64_t)in_flight;
            in_flight = 0;
            heard_at = now;
        }
    }
    printf("{\"answered\": %llu, \"seconds\": %.6f, \"rate\": %.1f, \"lost\": %llu}\n", (unsigned long long)answered,
           seconds, (double)answered / seconds, (unsigned long long)lost);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void run_rate(double seconds, double rate) {
    uint64_t total = (uint64_t)(seconds * rate), answered = 0, start = now_ns(), now, give_up_at = 0;
    double interval = 1e9 / rate, *times = malloc((total + 1) * sizeof *times), late = 0;
    while (answered < total) {
        now = now_ns();
        if (next_number < total) {
            /* Late by more than one interval: the missed ones leave together, or the rate would not be the rate. */
            uint64_t due = (uint64_t)((double)(now - start) / interval) + 1;
            if (due > total) due = total;
            if (due > next_number) {
                uint64_t want = due - next_number;
                if ((double)want > late) late = (double)want;
                send_probes(want < BATCH ? (int)want : BATCH);
            }
            give_up_at = now + DRAIN_NS;
        } else if (now > give_up_at) break;
        int got = receive_answers();
        uint64_t arrived_at = now_ns();
        for (int i = 0; i < got; i++) {
            struct probe p;
            memcpy(&p, in_data[i], sizeof p);
            if (answered < total) times[answered++] = (double)(arrived_at - p.sent_at) / 1e3;
        }
    }
    qsort(times, answered, sizeof *times, by_value);
    printf("{\"sent\": %llu, \"answered\": %llu, \"lost\": %llu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"burst\": %.0f}\n",
           (unsigned long long)next_number, (unsigned long long)answered, (unsigned long long)(total - answered),
           answered ? times[answered / 2] : 0.0, answered ? times[answered * 99 / 100] : 0.0, late);
}

int main(int argc, char **argv) {
    if (argc != 8) { fprintf(stderr, "usage: load window|rate GROUP PORT INTERFACE SIZE SECONDS NUMBER\n"); return 2; }
    size = (size_t)atoi(argv[5]);
    if (size < sizeof(struct probe) || size > MAX_SIZE) { fprintf(stderr, "size %zu is out of range\n", size); return 2; }
    open_socket(argv[2], argv[3], argv[4]);
    double seconds = atof(argv[6]);
    if (!strcmp(argv[1], "window")) run_window(seconds, atoi(argv[7]));
    else run_rate(seconds, atof(argv[7]));
    return 0;
}
