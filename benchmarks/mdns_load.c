/* Ask a multicast DNS responder as fast as it answers, or at a fixed rate, and tell what came back.
 *
 * mdns_load QUERIES SOURCE SOURCE-PORT DESTINATION DESTINATION-PORT SECONDS WINDOW RATE PATIENCE MERGED
 *
 * QUERIES is a file of DNS messages, each after its length as two octets in network order; they are sent in turn,
 * every one with a new id, by which its answer is recognised. A response without id (RFC 6762 §18.1) answers the
 * oldest query for the name of its first record, or with MERGED 1 all queries for the names of all its records: an
 * answer that had to wait may serve several (§6.4). With RATE 0 there are WINDOW queries under way, 64 at first and
 * one more for each answer until then, so that they do not come in one burst. Otherwise RATE a second are sent, at
 * most WINDOW under way. A query is given up after PATIENCE ms: it was lost, or answered by multicast.
 *
 * Before that all queries are sent twice within half a second and not counted, since a responder multicasts its
 * answer where it has not done so lately (RFC 6762 §5.4). When it begins to count, a line on standard error says so. The
 * result is one JSON object on standard output.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    IDS = 65536,
    FIRST_WINDOW = 64,
    BATCH = 32,            /* datagrams a system call: keeps the generator faster than any server */
    MAX_QUERY = 512,
    MAX_ANSWER = 9000,     /* RFC 6762 section 17 */
    MAX_QUERIES = 65536,
    MAX_SAMPLES = 1 << 23, /* latencies kept */
    ORDER = 1 << 21,       /* more than can be sent while the oldest one waits to be given up */
};

#define SECOND 1000000000LL
#define WARM_UP (SECOND / 2)

static unsigned char queries[MAX_QUERIES][MAX_QUERY];
static int query_length[MAX_QUERIES];
static int query_count;
static uint16_t query_of[IDS]; /* which query was sent with this id */

static int64_t sent_at[IDS]; /* 0: this id is not under way */
static uint16_t order[ORDER]; /* ids in the order of sending; some of them have been answered already */
static int64_t order_time[ORDER];
static unsigned head, tail; /* free-running; the entry is at the value modulo ORDER */

static uint32_t *samples;
static long sample_count;

static int64_t count_from, end; /* what is sent in between counts */
static long window, allowed;    /* queries that may be under way: at last, and now */
static long under_way, answered, empty;
static double octets, records;

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static void read_queries(const char *path)
{
    FILE *file = fopen(path, "rb");
    unsigned char length[2];
    if (!file)
        die(path);
    while (query_count < MAX_QUERIES && fread(length, 1, 2, file) == 2) {
        int octets = length[0] << 8 | length[1];
        if (octets > MAX_QUERY || fread(queries[query_count], 1, octets, file) != (size_t)octets) {
            fprintf(stderr, "%s: not a list of queries\n", path);
            exit(2);
        }
        query_length[query_count++] = octets;
    }
    fclose(file);
    if (!query_count) {
        fprintf(stderr, "%s: empty\n", path);
        exit(2);
    }
}

static struct sockaddr_in address(const char *host, const char *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1) {
        fprintf(stderr, "%s: not an IPv4 address\n", host);
        exit(2);
    }
    return a;
}

static int open_socket(struct sockaddr_in source)
{
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), one = 1, ttl = 255, off = 0, room = 8 << 20;
    if (s < 0)
        die("socket");
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    setsockopt(s, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl);
    setsockopt(s, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof ttl);
    setsockopt(s, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof off);
    if (setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &source.sin_addr, sizeof source.sin_addr) < 0)
        die("IP_MULTICAST_IF");
    if (bind(s, (struct sockaddr *)&source, sizeof source) < 0)
        die("bind");
    return s;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile(double p)
{
    long i;
    if (!sample_count)
        return -1;
    i = (long)(p * (sample_count - 1));
    return samples[i] / 1000.0;
}

/* Write the name at the offset, in full and in lower case; return the offset after it, or 0. */
static unsigned read_name(const unsigned char *m, unsigned length, unsigned at, unsigned char *name, int *octets)
{
    unsigned after = 0, hops = 0, i;
    *octets = 0;
    while (at < length && m[at]) {
        if (m[at] >= 0xC0) {
            if (at + 1 >= length || ++hops > 64)
                return 0;
            after = after ? after : at + 2;
            at = (m[at] & 0x3F) << 8 | m[at + 1];
            continue;
        }
        if (at + m[at] >= length || *octets + m[at] + 2 > 256)
            return 0;
        for (i = 0; i <= m[at]; i++)
            name[(*octets)++] = tolower(m[at + i]);
        at += m[at] + 1;
    }
    if (at >= length)
        return 0;
    name[(*octets)++] = 0;
    return after ? after : at + 1;
}

/* The query for that name, or -1. */
static int query_for(const unsigned char *name, int octets)
{
    static int last;
    int tried, i;
    for (tried = 0; tried < query_count; tried++) {
        /* Queries are sent in turn, so the answer is likely to be for the next one. */
        int q = (last + tried) % query_count;
        if (query_length[q] - 12 - 4 != octets)
            continue;
        for (i = 0; i < octets && name[i] == tolower(queries[q][12 + i]); i++)
            ;
        if (i == octets) {
            last = q;
            return q;
        }
    }
    return -1;
}

/* Count the query with this id as answered by the message. */
static void settle(unsigned id, const unsigned char *m, unsigned length, int64_t t)
{
    int answers = m[6] << 8 | m[7];
    under_way--;
    if (allowed < window)
        allowed++;
    if (sent_at[id] >= count_from && sent_at[id] < end) {
        if (!answers || (m[3] & 15))
            empty++;
        else
            answered++;
        octets += length;
        records += answers + (m[8] << 8 | m[9]) + (m[10] << 8 | m[11]);
        if (sample_count < MAX_SAMPLES)
            samples[sample_count++] = (uint32_t)(t - sent_at[id]);
    }
    sent_at[id] = 0;
}

/* Count what a response without id answers; return the number of queries. */
static int answer_without_id(const unsigned char *m, unsigned length, int merged, int64_t t)
{
    unsigned char name[256];
    unsigned offset = 12, at;
    int left = m[6] << 8 | m[7], octets_of_name, matched = 0;
    for (; left > 0 && (merged || !matched); left--) {
        int query;
        offset = read_name(m, length, offset, name, &octets_of_name);
        if (!offset || offset + 10 > length)
            break;
        offset += 10 + (m[offset + 8] << 8 | m[offset + 9]);
        query = query_for(name, octets_of_name);
        for (at = head; query >= 0 && at != tail; at++) {
            unsigned id = order[at % ORDER];
            if (query_of[id] == query && sent_at[id] && sent_at[id] == order_time[at % ORDER]) {
                settle(id, m, length, t);
                matched++;
                if (!merged)
                    break;
            }
        }
    }
    return matched;
}

int main(int argc, char **argv)
{
    static unsigned char answers[BATCH][MAX_ANSWER];
    struct mmsghdr out[BATCH], in[BATCH];
    struct iovec out_vec[BATCH], in_vec[BATCH];
    struct sockaddr_in destination;
    static unsigned char sending[BATCH][MAX_QUERY];
    int64_t duration, start, t, patience;
    long rate, sent = 0, counted = 0, lost = 0, unknown = 0, planned = 0, next_query = 0, warming;
    unsigned next_id = 1;
    int s, i, n, merged;

    if (argc != 11) {
        fprintf(stderr, "usage: mdns_load QUERIES SOURCE PORT DESTINATION PORT SECONDS WINDOW RATE PATIENCE MERGED\n");
        return 2;
    }
    read_queries(argv[1]);
    s = open_socket(address(argv[2], argv[3]));
    destination = address(argv[4], argv[5]);
    duration = (int64_t)(atof(argv[6]) * SECOND);
    window = atol(argv[7]);
    rate = atol(argv[8]);
    merged = atoi(argv[10]);
    patience = (int64_t)(atof(argv[9]) * SECOND / 1000);
    if (window < 1 || window > IDS / 2) {
        fprintf(stderr, "the window is from 1 to %d\n", IDS / 2);
        return 2;
    }
    allowed = rate || window < FIRST_WINDOW ? window : FIRST_WINDOW;
    samples = malloc(MAX_SAMPLES * sizeof *samples);
    if (!samples)
        die("malloc");
    memset(out, 0, sizeof out);
    memset(in, 0, sizeof in);
    for (i = 0; i < BATCH; i++) {
        out_vec[i].iov_base = sending[i];
        out[i].msg_hdr.msg_iov = &out_vec[i];
        out[i].msg_hdr.msg_iovlen = 1;
        out[i].msg_hdr.msg_name = &destination;
        out[i].msg_hdr.msg_namelen = sizeof destination;
        in_vec[i].iov_base = answers[i];
        in_vec[i].iov_len = MAX_ANSWER;
        in[i].msg_hdr.msg_iov = &in_vec[i];
        in[i].msg_hdr.msg_iovlen = 1;
    }

    warming = 2 * query_count < 100 ? 100 : 2 * query_count;
    start = now();
    count_from = start + WARM_UP;
    end = count_from + duration;
    for (;;) {
        t = now();
        n = recvmmsg(s, in, BATCH, MSG_DONTWAIT, NULL);
        if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
            die("recvmmsg");
        if (n > 0)
            t = now();
        for (i = 0; i < n; i++) {
            unsigned char *m = answers[i];
            unsigned id = m[0] << 8 | m[1];
            int matched;
            if (in[i].msg_len < 12 || !(m[2] & 0x80)) {
                unknown++;
                continue;
            }
            if (id) {
                if (sent_at[id])
                    settle(id, m, in[i].msg_len, t);
                else
                    unknown++;
                continue;
            }
            matched = answer_without_id(m, in[i].msg_len, merged, t);
            if (!matched)
                unknown++;
        }
        while (head != tail) {
            unsigned id = order[head % ORDER];
            if (sent_at[id] == order_time[head % ORDER]) {
                if (t - sent_at[id] < patience)
                    break;
                if (sent_at[id] >= count_from && sent_at[id] < end)
                    lost++;
                under_way--;
                sent_at[id] = 0;
            }
            head++;
        }
        if (t >= end) {
            if (!under_way)
                break;
            if (n <= 0) {
                struct pollfd p = {.fd = s, .events = POLLIN};
                poll(&p, 1, 10);
            }
            continue;
        }
        if (warming && t >= count_from) {
            fputs("counting\n", stderr);
            warming = planned = under_way = 0;
            head = tail;
            memset(sent_at, 0, sizeof sent_at);
            allowed = rate || window < FIRST_WINDOW ? window : FIRST_WINDOW;
        }
        n = BATCH;
        if (!warming && allowed - under_way < n)
            n = allowed - under_way < 0 ? 0 : (int)(allowed - under_way);
        if (warming || rate) {
            double part = (double)(warming ? t - start : t - count_from) / SECOND;
            long due = (long)(warming ? part * warming * SECOND / WARM_UP : part * rate) - planned;
            if (due < n)
                n = due < 0 ? 0 : (int)due;
        }
        for (i = 0; i < n && tail - head < ORDER; i++) {
            while (sent_at[next_id] || !next_id)
                next_id = (next_id + 1) % IDS;
            memcpy(sending[i], queries[next_query], query_length[next_query]);
            sending[i][0] = next_id >> 8;
            sending[i][1] = next_id & 255;
            out_vec[i].iov_len = query_length[next_query];
            query_of[next_id] = next_query;
            next_query = (next_query + 1) % query_count;
            sent_at[next_id] = t;
            order[tail % ORDER] = next_id;
            order_time[tail % ORDER] = t;
            tail++;
            next_id = (next_id + 1) % IDS;
        }
        n = i;
        for (i = 0; i < n;) {
            int done = sendmmsg(s, out + i, n - i, 0);
            if (done > 0)
                i += done;
            else if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR && errno != ECONNREFUSED)
                die("sendmmsg");
        }
        under_way += n;
        planned += n;
        sent += n;
        if (t >= count_from)
            counted += n;
        if (!n && !rate && !warming) {
            struct pollfd p = {.fd = s, .events = POLLIN};
            poll(&p, 1, 1);
        }
    }
    qsort(samples, sample_count, sizeof *samples, by_value);
    printf("{\"sent\": %ld, \"counted\": %ld, \"answered\": %ld, \"lost\": %ld, \"empty\": %ld, \"unknown\": %ld, ", sent,
           counted, answered, lost, empty, unknown);
    printf("\"rate\": %.1f, \"octets\": %.1f, \"records\": %.2f, ", answered * (double)SECOND / (double)(end - count_from),
           answered + empty ? octets / (answered + empty) : 0.0, answered + empty ? records / (answered + empty) : 0.0);
    printf("\"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}\n", percentile(0.5), percentile(0.99), percentile(1.0));
    return 0;
}
