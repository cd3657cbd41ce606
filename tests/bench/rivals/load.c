/* Viewers of any WebSocket server, as cheap as they can be: one process, epoll.
 *
 *     load HOST PORT CLIENTS IN_FLIGHT PATH SUBPROTOCOL READY
 *
 * Opens CLIENTS WebSockets, at most IN_FLIGHT at a time, 5,000 from each of the
 * addresses 127.0.0.2, 127.0.0.3 ..., and prints `ready SECONDS` when each has had the
 * text READY ("" : its 101). Then takes lines on standard input:
 *
 *     expect N     answered, once every viewer has had a frame with "seq":N or more,
 *                  by `seq FIRST LAST FRAMES`: CLOCK_MONOTONIC seconds of the first and
 *                  the last viewer to have it, and frames read by all since the last
 *                  answer
 *     usage        answered by `usage CPU WALL` seconds since the last such question
 *
 * Ends with standard input. Anything unexpected ends it with a sentence and code 1.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { OF_AN_ADDRESS = 5000, CARRIED = 4096, READ = 1 << 18, EVENTS = 256 };

typedef struct {
    int fd, open, ready, carried;
    long seq;
    char carry[CARRIED];
} viewer;

static const char *host, *path, *subprotocol, *ready_mark;
static int port, clients, in_flight, poll_fd;
static int begun, opening, ready, missing;
static long expected, frames;
static double first_at;
static viewer *viewers;

static _Noreturn void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void open_next(void) {
    viewer *v = &viewers[begun];
    v->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP);
    if (v->fd < 0) die("socket");
    int on = 1;
    setsockopt(v->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + begun / OF_AN_ADDRESS);
    to.sin_port = htons(port);
    inet_pton(AF_INET, host, &to.sin_addr);
    if (bind(v->fd, (void *)&from, sizeof from)) die("bind");
    if (connect(v->fd, (void *)&to, sizeof to) && errno != EINPROGRESS) die("connect");
    struct epoll_event e = {.events = EPOLLOUT, .data.u32 = begun};
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, v->fd, &e)) die("epoll_ctl");
    begun++;
    opening++;
}

static void ask(viewer *v) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(v->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) errno = error, die("connect");
    char head[1024], offered[128] = "";
    if (*subprotocol)
        snprintf(offered, sizeof offered, "Sec-WebSocket-Protocol: %s\r\n", subprotocol);
    int n = snprintf(head, sizeof head,
        "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n%s\r\n", path, host, port, offered);
    if (write(v->fd, head, n) != n) die("write of a handshake");
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = v - viewers};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, v->fd, &e);
}

static void is_ready(viewer *v) {
    if (v->ready) return;
    v->ready = 1;
    ready++;
    opening--;
    if (begun < clients) open_next();
}

static void pong(viewer *v, const char *payload, int size) {
    char frame[6 + 125] = {(char)0x8a, (char)(0x80 | size)};
    memcpy(frame + 6, payload, size);  /* the mask is zero */
    if (write(v->fd, frame, 6 + size) != 6 + size) die("write of a pong");
}

static void seen(viewer *v, const char *text, size_t size) {
    frames++;
    if (!v->ready && *ready_mark && memmem(text, size, ready_mark, strlen(ready_mark)))
        is_ready(v);
    const char *at = memmem(text, size, "\"seq\":", 6);
    if (!at) return;
    long seq = strtol(at + 6, NULL, 10);
    if (expected && v->seq < expected && seq >= expected) {
        double t = now(CLOCK_MONOTONIC);
        if (!first_at) first_at = t;
        if (!--missing) {
            printf("seq %.6f %.6f %ld\n", first_at, t, frames);
            fflush(stdout);
            expected = frames = 0;
        }
    }
    if (seq > v->seq) v->seq = seq;
}

/* The bytes of one viewer, whole frames of them; returns how many were taken. */
static size_t take(viewer *v, const char *data, size_t size) {
    size_t at = 0;
    if (!v->open) {
        const char *end = memmem(data, size, "\r\n\r\n", 4);
        if (!end) return 0;
        if (strncmp(data, "HTTP/1.1 101", 12)) {
            fprintf(stderr, "load: refused: %.*s\n", (int)size, data);
            exit(1);
        }
        v->open = 1;
        at = end + 4 - data;
        if (!*ready_mark) is_ready(v);
    }
    while (size - at >= 2) {
        const unsigned char *head = (const unsigned char *)data + at;
        size_t length = head[1] & 0x7f, used = 2;
        if (length == 126) {
            if (size - at < 4) break;
            length = head[2] << 8 | head[3], used = 4;
        } else if (length == 127) {
            errno = 0, die("a frame of more than 64 KiB");
        }
        if (size - at < used + length) break;
        const char *payload = data + at + used;
        switch (head[0] & 0x0f) {
        case 1: case 2: seen(v, payload, length); break;
        case 8: errno = 0, die("closed by the server");
        case 9: pong(v, payload, length);
        }
        at += used + length;
    }
    return at;
}

static void receive(viewer *v) {
    static char data[CARRIED + READ];
    memcpy(data, v->carry, v->carried);
    ssize_t n = read(v->fd, data + v->carried, READ);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) die("read");
    if (n == 0) errno = 0, die("the server hung up");
    size_t size = v->carried + n, taken = take(v, data, size);
    if (size - taken > CARRIED) errno = 0, die("a frame too long to carry over");
    v->carried = size - taken;
    memcpy(v->carry, data + taken, v->carried);
}

static void expect(long seq) {
    expected = seq;
    first_at = 0;
    missing = 0;
    for (int i = 0; i < clients; i++) missing += viewers[i].seq < seq;
    if (!missing) errno = 0, die("expected what had come already");
}

static void told(void) {
    static char line[256];
    static size_t size;
    static double cpu, wall;
    ssize_t n = read(0, line + size, sizeof line - size - 1);
    if (n <= 0) exit(0);
    size += n;
    for (char *end; (end = memchr(line, '\n', size)); ) {
        *end = 0;
        if (!strncmp(line, "expect ", 7)) {
            expect(atol(line + 7));
        } else if (!strcmp(line, "usage")) {
            double c = now(CLOCK_PROCESS_CPUTIME_ID), w = now(CLOCK_MONOTONIC);
            printf("usage %.6f %.6f\n", c - cpu, w - wall);
            fflush(stdout);
            cpu = c, wall = w;
        } else {
            errno = 0, die("a command that is none");
        }
        size -= end + 1 - line;
        memmove(line, end + 1, size);
    }
}

int main(int count, char **given) {
    if (count != 8) errno = EINVAL, die("arguments");
    host = given[1], port = atoi(given[2]), clients = atoi(given[3]);
    in_flight = atoi(given[4]), path = given[5], subprotocol = given[6];
    ready_mark = given[7];
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    viewers = calloc(clients, sizeof *viewers);
    poll_fd = epoll_create1(0);
    struct epoll_event input = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, 0, &input)) die("epoll_ctl");
    double began = now(CLOCK_MONOTONIC);
    while (begun < clients && opening < in_flight) open_next();
    int told_ready = 0;
    for (;;) {
        struct epoll_event found[EVENTS];
        int n = epoll_wait(poll_fd, found, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (found[i].data.u32 == UINT32_MAX) { told(); continue; }
            viewer *v = &viewers[found[i].data.u32];
            if (found[i].events & EPOLLOUT) ask(v);
            else receive(v);
        }
        if (!told_ready && ready == clients) {
            told_ready = 1;
            printf("ready %.6f\n", now(CLOCK_MONOTONIC) - began);
            fflush(stdout);
        }
    }
}
