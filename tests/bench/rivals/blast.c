/* The least that a fan-out can be: epoll, and one send() for each viewer and message.
 *
 *     blast PORT
 *
 * `GET` is answered by the 101 that fits one key (dGhlIHNhbXBsZSBub25jZQ==), and that
 * connection is a viewer from then on. `POST` with a Content-Length publishes its body
 * to all viewers as one text frame. A viewer that does not take it whole ends the
 * program: there is no buffer. No limits, no pings, no memory of what was sent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 20000, INPUT = 1 << 16, EVENTS = 256 };

static int viewers[MOST], number, publisher = -1;

static _Noreturn void die(const char *what) {
    perror(what);
    exit(1);
}

static void publish(const char *text, size_t size) {
    static unsigned char frame[4 + INPUT];
    size_t head = 2;
    frame[0] = 0x81;
    if (size < 126) {
        frame[1] = size;
    } else {
        frame[1] = 126, frame[2] = size >> 8, frame[3] = size & 0xff, head = 4;
    }
    memcpy(frame + head, text, size);
    size += head;
    for (int i = 0; i < number; i++) {
        if (viewers[i] < 0) continue;
        ssize_t n = send(viewers[i], frame, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) viewers[i] = -1;
        else if (n != (ssize_t)size) die("a viewer does not keep up");
    }
}

static void answer(int fd, const char *text) {
    if (write(fd, text, strlen(text)) < 0) die("write");
}

static void published(int fd) {
    static char input[INPUT + 1];
    static size_t have;
    if (publisher != fd) publisher = fd, have = 0;
    ssize_t n = recv(fd, input + have, INPUT - have, 0);
    if (n <= 0) { close(fd); publisher = -1; return; }
    have += n;
    for (;;) {
        input[have] = 0;
        char *end = strstr(input, "\r\n\r\n"), *length;
        if (!end || !(length = strcasestr(input, "content-length:"))) return;
        size_t body = atol(length + 15), head = end + 4 - input;
        if (have < head + body) return;
        publish(input + head, body);
        answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        have -= head + body;
        memmove(input, input + head + body, have);
    }
}

static void request(int fd, int poll_fd) {
    static char head[4096];
    ssize_t n = recv(fd, head, sizeof head - 1, MSG_PEEK);
    if (n <= 0) { close(fd); return; }
    head[n] = 0;
    if (!strncmp(head, "POST", 4)) { published(fd); return; }
    if (!strstr(head, "\r\n\r\n")) return;
    n = recv(fd, head, n, 0);
    if (number == MOST) exit(1);
    viewers[number++] = fd;
    epoll_ctl(poll_fd, EPOLL_CTL_DEL, fd, NULL);
    answer(fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\n"
               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
}

int main(int count, char **given) {
    if (count != 2) exit(2);
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int on = 1, listening = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(given[1]))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listening, (void *)&at, sizeof at) || listen(listening, 4096)) die("listen");
    int poll_fd = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listening};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listening, &e);
    for (;;) {
        struct epoll_event found[EVENTS];
        int n = epoll_wait(poll_fd, found, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = found[i].data.fd;
            if (fd != listening) {
                if (fd == publisher) published(fd);
                else request(fd, poll_fd);
                continue;
            }
            fd = accept(listening, NULL, NULL);
            if (fd < 0) die("accept");
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            e.data.fd = fd;
            epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &e);
        }
    }
}
