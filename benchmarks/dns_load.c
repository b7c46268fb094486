/* A load generator for DNS servers by UDP; prints one JSON object.
 *
 *   dns_load ADDRESS PORT SECONDS OUTSTANDING < QUERIES     as many as the server can answer
 *
 * QUERIES are messages after their length in two octets. They are sent in turn, each with an ID of its own; a
 * response counts when it has an answer and NOERROR. It never sleeps: give it a core of its own.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define STALL_NS 50000000ull   /* no response for so long: what is outstanding is lost */
#define WARM_UP_NS 300000000ull
#define MAX_QUERIES 100000

static uint8_t *queries[MAX_QUERIES];
static size_t sizes[MAX_QUERIES];
static uint8_t out_data[BATCH][600], in_data[BATCH][4096];
static struct mmsghdr out[BATCH], in[BATCH];
static struct iovec out_vector[BATCH], in_vector[BATCH];

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
    inet_pton(AF_INET, argv[1], &to.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) { perror("connect"); return 1; }
    size_t count = 0;
    int high;
    while (count < MAX_QUERIES && (high = getchar()) != EOF) {
        sizes[count] = (size_t)high << 8 | (size_t)getchar();
        queries[count] = malloc(sizes[count]);
        if (fread(queries[count], 1, sizes[count], stdin) != sizes[count]) return 2;
        count++;
    }
    for (int i = 0; i < BATCH; i++) {
        out_vector[i].iov_base = out_data[i];
        out[i].msg_hdr.msg_iov = &out_vector[i];
        out[i].msg_hdr.msg_iovlen = 1;
        in_vector[i].iov_base = in_data[i];
        in_vector[i].iov_len = sizeof in_data[i];
        in[i].msg_hdr.msg_iov = &in_vector[i];
        in[i].msg_hdr.msg_iovlen = 1;
    }
    uint64_t window = strtoull(argv[4], 0, 10), outstanding = 0, sent = 0, good = 0, bad = 0, lost = 0;
    uint64_t start = now_ns() + WARM_UP_NS, end = start + (uint64_t)(atof(argv[3]) * 1e9), heard = now_ns();
    for (uint64_t now = now_ns(); now < end; now = now_ns()) {
        int batch = 0;
        while (batch < BATCH && outstanding + batch < window) {
            size_t which = (sent + batch) % count;
            memcpy(out_data[batch], queries[which], sizes[which]);
            out_data[batch][0] = (uint8_t)((sent + batch) >> 8);
            out_data[batch][1] = (uint8_t)(sent + batch);
            out_vector[batch].iov_len = sizes[which];
            batch++;
        }
        if (batch) {
            int done = sendmmsg(fd, out, batch, 0);
            if (done > 0) { sent += done; outstanding += done; }
        }
        int got = recvmmsg(fd, in, BATCH, MSG_DONTWAIT, 0);
        for (int i = 0; i < got; i++) {
            uint8_t *data = in_data[i];
            int fine = in[i].msg_len >= 12 && !(data[3] & 15) && (data[6] || data[7]);
            if (now >= start) { if (fine) good++; else bad++; }
            if (outstanding) outstanding--;
        }
        if (got > 0) heard = now;
        else if (now - heard > STALL_NS) { lost += outstanding; outstanding = 0; heard = now; }
    }
    printf("{\"answers\": %llu, \"rate\": %.0f, \"other\": %llu, \"lost\": %llu}\n", (unsigned long long)good,
           good / ((end - start) / 1e9), (unsigned long long)bad, (unsigned long long)lost);
    return 0;
}
