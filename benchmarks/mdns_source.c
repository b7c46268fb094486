/* Be many services on a link, or play packets.
 *
 * mdns_source answer ADDRESS COUNT HOSTS    answer PTR, SRV, TXT, A and AAAA queries for COUNT instances of
 *                                           _bench._tcp on HOSTS hosts: 1, or as many as there are instances
 * mdns_source play ADDRESS FILE RATE SECONDS    multicast the messages of FILE in turn, RATE a second
 *
 * Answering: one host sends its PTR records after 20 to 120 ms (RFC 6762 §6), as many as fit a packet and no
 * additional records; of several hosts each sends a packet of its own within that time, with SRV, TXT, A and NSEC
 * beside the PTR. SRV, TXT and addresses are answered at once, with the address records added to SRV. Known answers are
 * left out (§7.1); after a query with TC more of them are waited for, 450 ms (§7.2). All goes by multicast: to the first
 * query since none of it was multicast lately (§5.4), later queries do not ask for unicast. FILE holds messages, each
 * after its length as two octets in network order.
 *
 * When standard input ends, one JSON object tells what was received and sent. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
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
    MOST = 65536,        /* instances */
    ROOM = 1472,         /* octets of a message that fits an Ethernet frame */
    MAX_MESSAGE = 9000,  /* RFC 6762 section 17 */
    LABEL = 14,          /* octets of "Instance 00001" */
    PTR = 12, TXT = 16, A = 1, AAAA = 28, SRV = 33, NSEC = 47, ANY = 255,
    FLUSH = 0x8001, IN = 1,
};

#define MS 1000000LL
#define SECOND 1000000000LL

static int fd;
static struct sockaddr_in group;
static int count, hosts;
static long queries, questions, known_answers, responses, records, octets;

/* The PTR answer that is waiting to be sent: one query at a time, which is all that one browser asks. */
static unsigned char is_known[MOST];
static int64_t answer_at; /* 0: none */
static int answer_next;   /* of several hosts: who is next */

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

/* The message that is being made. The type's name stands in its first record, and later ones point there. */

static unsigned char out[MAX_MESSAGE];
static int size, counts[2];          /* octets; answers and additional records */
static int type_at;                  /* where "_bench._tcp.local" stands, 0 for nowhere */
static int local_at;                 /* likewise "local" */
static int instance_at, host_at;     /* the last ones written, and whose they are */
static int instance_of, host_of;
static int adds_host;                /* whether the addresses of the one host go into the additional section */

static void begin(void)
{
    memset(out, 0, 12);
    out[2] = 0x84;
    size = 12;
    counts[0] = counts[1] = type_at = local_at = adds_host = 0;
    instance_of = host_of = -1;
}

static void put16(int value)
{
    out[size++] = value >> 8;
    out[size++] = value;
}

static void put_address(int i);
static void put_denial(int i);

static void send_out(void)
{
    if (!counts[0])
        return;
    if (adds_host)
        put_address(0), put_denial(0), counts[1] += 2;
    out[6] = counts[0] >> 8, out[7] = counts[0];
    out[10] = counts[1] >> 8, out[11] = counts[1];
    for (;;) {
        if (sendto(fd, out, size, 0, (struct sockaddr *)&group, sizeof group) >= 0)
            break;
        if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
            die("sendto");
    }
    responses++;
    records += counts[0] + counts[1];
    octets += size;
    begin();
}

static void put_local(void)
{
    if (local_at) {
        put16(0xC000 | local_at);
        return;
    }
    local_at = size;
    memcpy(out + size, "\5local", 7);
    size += 7;
}

static void put_type(void)
{
    if (type_at) {
        put16(0xC000 | type_at);
        return;
    }
    type_at = size;
    memcpy(out + size, "\6_bench\4_tcp", 12);
    size += 12;
    put_local();
}

static void put_instance(int i)
{
    if (instance_of == i) {
        put16(0xC000 | instance_at);
        return;
    }
    instance_of = i;
    instance_at = size;
    size += sprintf((char *)out + size, "%cInstance %05d", LABEL, i);
    put_type();
}

static void put_host(int i)
{
    int h = hosts == 1 ? 0 : i;
    if (host_of == h) {
        put16(0xC000 | host_at);
        return;
    }
    host_of = h;
    host_at = size;
    size += sprintf((char *)out + size, "%chost-%05d", 10, h);
    put_local();
}

/* Write type, class, TTL and room for the length; return where that is. */
static int head(int type, int class, int ttl)
{
    put16(type);
    put16(class);
    put16(0);
    put16(ttl);
    size += 2;
    return size - 2;
}

static void tail(int at)
{
    out[at] = (size - at - 2) >> 8;
    out[at + 1] = size - at - 2;
}

static void put_pointer(int i)
{
    int at;
    put_type();
    at = head(PTR, IN, 4500);
    put_instance(i);
    tail(at);
}

static void put_service(int i)
{
    int at;
    put_instance(i);
    at = head(SRV, FLUSH, 120);
    put16(0), put16(0), put16(1024 + i);
    put_host(i);
    tail(at);
}

static void put_text(int i)
{
    int at;
    put_instance(i);
    at = head(TXT, FLUSH, 4500);
    memcpy(out + size, "\6path=/\5ver=1", 13);
    size += 13;
    tail(at);
}

static void put_address(int i)
{
    int at, h = hosts == 1 ? 0 : i;
    put_host(i);
    at = head(A, FLUSH, 120);
    out[size++] = 10, out[size++] = 78, out[size++] = h >> 8, out[size++] = h;
    tail(at);
}

static void put_denial(int i)
{
    int at;
    put_host(i);
    at = head(NSEC, FLUSH, 120);
    put_host(i);
    memcpy(out + size, "\0\1\x40", 3); /* only A */
    size += 3;
    tail(at);
}

/* Make room for so many octets, in a new message if need be. */
static void reserve(int more)
{
    if (size + more > ROOM)
        send_out();
}

/* Send what is due of the answer to the PTR question; return when there is more to do, 0 for never. */
static int64_t answer_pointers(int64_t t)
{
    int i;
    if (!answer_at || t < answer_at)
        return answer_at;
    begin();
    if (hosts == 1) {
        for (i = 0; i < count; i++)
            if (!is_known[i]) {
                reserve(60);
                put_pointer(i);
                counts[0]++;
            }
        send_out();
        return answer_at = 0;
    }
    /* All hosts answer within 100 ms, each when its time has come. */
    for (; answer_next < count; answer_next++) {
        int64_t due = answer_at + 100 * MS * answer_next / count;
        i = answer_next;
        if (is_known[i])
            continue;
        if (due > t)
            return due;
        put_pointer(i), counts[0]++;
        put_service(i), put_text(i), put_address(i), put_denial(i), counts[1] += 4;
        send_out();
    }
    return answer_at = 0;
}

/* Read a name into labels with lengths, in lower case; return what follows it, or -1. */
static int read_name(const unsigned char *m, int length, int at, char *name)
{
    int after = -1, steps = 0, used = 0;
    for (;;) {
        int n;
        if (at >= length || ++steps > 128)
            return -1;
        n = m[at];
        if (n >= 0xC0) {
            if (at + 1 >= length)
                return -1;
            if (after < 0)
                after = at + 2;
            at = (n & 63) << 8 | m[at + 1];
            continue;
        }
        if (used + n + 1 > 255 || at + n >= length)
            return -1;
        name[used++] = n;
        for (int i = 1; i <= n; i++)
            name[used++] = m[at + i] >= 'A' && m[at + i] <= 'Z' ? m[at + i] + 32 : m[at + i];
        at += n + 1;
        if (!n)
            return after < 0 ? at : after;
    }
}

static const char TYPE[] = "\6_bench\4_tcp\5local";

/* Return the number of an instance or host, or -1. */
static int number(const char *name, const char *prefix, const char *rest)
{
    size_t n = strlen(prefix);
    if (name[0] != (char)(n + 5) || memcmp(name + 1, prefix, n) || strcmp(name + n + 6, rest))
        return -1;
    n = atoi(name + n + 1);
    return (int)n < count ? (int)n : -1;
}

static void take(const unsigned char *m, int length)
{
    char name[256];
    int at = 12, n, asks_pointers = 0, truncated = m[2] & 2;
    int question_count, answer_count;
    if (length < 12 || m[2] & 0x80)
        return;
    queries++;
    question_count = m[4] << 8 | m[5];
    answer_count = m[6] << 8 | m[7];
    questions += question_count;
    known_answers += answer_count;
    begin();
    for (n = 0; n < question_count; n++) {
        int type, i;
        at = read_name(m, length, at, name);
        if (at < 0 || at + 4 > length)
            return;
        type = m[at] << 8 | m[at + 1];
        at += 4;
        if (!strcmp(name, TYPE)) {
            asks_pointers |= type == PTR || type == ANY;
        } else if ((i = number(name, "instance ", TYPE)) >= 0) {
            reserve(180);
            if (type == SRV || type == ANY) {
                put_service(i), counts[0]++;
                adds_host = hosts == 1;
            }
            if (type == TXT || type == ANY)
                put_text(i), counts[0]++;
        } else if ((i = number(name, "host-", "\5local")) >= 0 && (type == A || type == AAAA || type == ANY)) {
            reserve(120);
            if (type == AAAA)
                put_denial(i);
            else
                put_address(i);
            counts[0]++;
        }
    }
    send_out();
    if (asks_pointers) {
        memset(is_known, 0, sizeof is_known);
        answer_next = 0;
    }
    if (!asks_pointers && !answer_at)
        return;
    for (n = 0; n < answer_count; n++) {
        int type, data, i;
        at = read_name(m, length, at, name);
        if (at < 0 || at + 10 > length)
            return;
        type = m[at] << 8 | m[at + 1];
        data = m[at + 8] << 8 | m[at + 9];
        at += 10;
        if (type == PTR && !strcmp(name, TYPE) && read_name(m, length, at, name) > 0
            && (i = number(name, "instance ", TYPE)) >= 0)
            is_known[i] = 1;
        at += data;
    }
    if (asks_pointers || truncated)
        answer_at = now() + (truncated ? 450 * MS : 20 * MS + (hosts == 1 ? rand() % 100 * MS : 0));
}

static void play(const char *path, int rate, double seconds)
{
    static unsigned char messages[MOST][ROOM];
    static int lengths[MOST];
    FILE *file = fopen(path, "rb");
    unsigned char length[2];
    int64_t start = now();
    long sent = 0, total = (long)(rate * seconds);
    if (!file)
        die(path);
    while (count < MOST && fread(length, 1, 2, file) == 2) {
        lengths[count] = length[0] << 8 | length[1];
        if (lengths[count] > ROOM || fread(messages[count], 1, lengths[count], file) != (size_t)lengths[count])
            break;
        count++;
    }
    fclose(file);
    while (count && sent < total) {
        int64_t due = start + sent * SECOND / rate, t = now();
        if (due > t) {
            struct timespec rest = {0, due - t};
            nanosleep(&rest, NULL);
        }
        if (sendto(fd, messages[sent % count], lengths[sent % count], 0, (struct sockaddr *)&group, sizeof group) < 0)
            die("sendto");
        octets += lengths[sent % count];
        sent++;
    }
    responses = sent;
}

static void report(void)
{
    printf("{\"queries\": %ld, \"questions\": %ld, \"known_answers\": %ld, \"sent\": %ld, \"records\": %ld, "
           "\"octets\": %ld}\n", queries, questions, known_answers, responses, records, octets);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(5353)};
    struct ip_mreqn membership = {0};
    int on = 1, off = 0, hops = 255, room = 8 << 20;
    if (argc < 5 || inet_pton(AF_INET, argv[2], &membership.imr_address) != 1) {
        fprintf(stderr, "usage: mdns_source answer ADDRESS COUNT HOSTS | play ADDRESS FILE RATE SECONDS\n");
        return 2;
    }
    group = own;
    inet_pton(AF_INET, "224.0.0.251", &group.sin_addr);
    membership.imr_multiaddr = group.sin_addr;
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof hops);
    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof off);
    if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &membership, sizeof membership) < 0)
        die("IP_MULTICAST_IF");
    if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof membership) < 0)
        die("IP_ADD_MEMBERSHIP");
    if (bind(fd, (struct sockaddr *)&own, sizeof own) < 0)
        die("bind");
    if (!strcmp(argv[1], "play") && argc == 6) {
        play(argv[3], atoi(argv[4]), atof(argv[5]));
        report();
        return 0;
    }
    count = atoi(argv[3]);
    hosts = atoi(argv[4]);
    if (count < 1 || count > 60000) {
        fprintf(stderr, "1 to 60000 instances\n");
        return 2;
    }
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        static unsigned char in[MAX_MESSAGE];
        struct pollfd files[2] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
        int64_t t = now(), next = answer_pointers(t);
        struct timespec rest = {0, 0};
        if (next > t) {
            rest.tv_sec = (next - t) / SECOND;
            rest.tv_nsec = (next - t) % SECOND;
        }
        if (ppoll(files, 2, next ? &rest : NULL, NULL) < 0 && errno != EINTR)
            die("poll");
        if (files[0].revents & POLLIN) {
            int n = (int)recv(fd, in, sizeof in, MSG_DONTWAIT);
            if (n > 0)
                take(in, n);
        }
        if (files[1].revents) {
            report();
            return 0;
        }
    }
}
