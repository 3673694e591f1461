/*
 * Load that h2load cannot make: streams that stay open, distinct requests, and the moment a server answers again.
 *
 * A small gRPC client on HTTP/2 in clear text, in one thread. It reads only what it must: that a message came, on which
 * stream. Requests come from files of framed gRPC messages, so nothing here knows protobuf. Each command prints numbers
 * as `name=value` on one line.
 *
 *   fanout PORT WATCHERS PUTS WATCH_FILE PUT_FILE [WATCH_PATH PUT_PATH]
 *                                                  time from a put's start until the last watcher has its event;
 *                                                  at WATCH_PATH a watch is one request, and not a stream of them
 *   echo PORT PATH CLIENTS COUNT FILE              each client sends its message and waits for the answer, COUNT in all
 *   calls PORT PATH DEPTH FILE                     each message of the file once, DEPTH of them under way
 *   spread PORT PATH CLIENTS SECONDS FILE          each client one call after the other, the file's messages in turn
 *   answered PATH FILE PID PORT...                 kill PID (0: nobody), then ask all PORTs until one answers
 *
 * Source: RFC 9113 (frames, flow control), RFC 7541 (literal header fields), gRPC over HTTP/2.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DATA = 0, HEADERS = 1, RESET = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, WINDOW_UPDATE = 8 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, INITIAL_WINDOW_SIZE = 4 };
#define FRAME_HEAD 9
#define MESSAGE_HEAD 5
#define FRAME_BYTES_MAX 16384
#define WINDOW_MAX 0x7fffffff
#define WINDOW_DEFAULT 65535
#define INPUT_BYTES (256 * 1024)
#define STREAMS_PER_CONNECTION 100 /* of watchers: what servers and proxies commonly allow */
#define WAIT_MS 60000              /* a server that says nothing for so long is broken */
#define ASK_AGAIN_MS 5             /* how often a cluster without a leader is asked */

struct stream {
    int64_t window;
    uint32_t left;    /* bytes of the present message that are still to come */
    uint8_t head[MESSAGE_HEAD];
    int head_bytes;
    uint64_t messages;
    uint64_t tag;     /* for the caller */
};

struct queued {
    uint32_t id;
    const uint8_t *bytes;
    size_t size;
    int ends;
};

struct connection {
    int fd;
    uint32_t next_id;
    int64_t window;
    int64_t initial_window;
    struct stream *streams; /* by id / 2 */
    size_t stream_count;
    struct queued *queue;
    size_t queue_first, queue_end, queue_size;
    uint8_t *output;
    size_t output_bytes, output_size;
    uint8_t *input;
    size_t input_bytes;
    int is_lost;
};

/* What a command does when a message is complete, or a stream or connection ended. */
static void (*on_message)(struct connection *, uint32_t);
static void (*on_end)(struct connection *, uint32_t);
static int may_lose_connections;

static void fail(const char *what) {
    fprintf(stderr, "streams: %s\n", what);
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void *grown(void *old, size_t size) {
    void *found = realloc(old, size);
    if (!found) fail("out of memory");
    return found;
}

static uint32_t number_at(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void write_number(uint8_t *at, uint32_t number) {
    at[0] = number >> 24, at[1] = number >> 16, at[2] = number >> 8, at[3] = number;
}

/* --- Sending ---------------------------------------------------------------------------------------------------- */

static void put_bytes(struct connection *to, const void *bytes, size_t size) {
    if (to->output_bytes + size > to->output_size) {
        to->output_size = (to->output_bytes + size) * 2;
        to->output = grown(to->output, to->output_size);
    }
    memcpy(to->output + to->output_bytes, bytes, size);
    to->output_bytes += size;
}

static void put_frame(struct connection *to, int kind, int flags, uint32_t id, const void *body, size_t size) {
    uint8_t head[FRAME_HEAD] = {size >> 16, size >> 8, size, kind, flags};
    write_number(head + 5, id);
    put_bytes(to, head, sizeof head);
    put_bytes(to, body, size);
}

static void flush(struct connection *to) {
    size_t sent = 0;
    while (sent < to->output_bytes && !to->is_lost) {
        ssize_t count = send(to->fd, to->output + sent, to->output_bytes - sent, MSG_NOSIGNAL);
        if (count < 0) to->is_lost = 1;
        else sent += (size_t)count;
    }
    to->output_bytes = 0;
}

/* Send what the windows have room for. */
static void pump(struct connection *to) {
    while (to->queue_first < to->queue_end) {
        struct queued *next = &to->queue[to->queue_first];
        struct stream *stream = &to->streams[next->id / 2];
        int64_t room = to->window < stream->window ? to->window : stream->window;
        size_t size = next->size < FRAME_BYTES_MAX ? next->size : FRAME_BYTES_MAX;
        if ((int64_t)size > room) size = room > 0 ? (size_t)room : 0;
        if (size == 0) break;
        int is_last = size == next->size;
        put_frame(to, DATA, is_last && next->ends ? END_STREAM : 0, next->id, next->bytes, size);
        to->window -= (int64_t)size, stream->window -= (int64_t)size;
        next->bytes += size, next->size -= size;
        if (is_last) to->queue_first++;
    }
    if (to->queue_first == to->queue_end) to->queue_first = to->queue_end = 0;
    flush(to);
}

static void send_message(struct connection *to, uint32_t id, const uint8_t *bytes, size_t size, int ends) {
    if (to->queue_end == to->queue_size) {
        to->queue_size = to->queue_size ? to->queue_size * 2 : 64;
        to->queue = grown(to->queue, to->queue_size * sizeof *to->queue);
    }
    to->queue[to->queue_end++] = (struct queued){id, bytes, size, ends};
    pump(to);
}

static size_t put_literal(uint8_t *at, const char *text) {
    size_t size = strlen(text);
    at[0] = (uint8_t)size;
    memcpy(at + 1, text, size);
    return size + 1;
}

static uint32_t open_stream(struct connection *to, const char *path) {
    uint32_t id = to->next_id;
    uint8_t block[512];
    size_t size = 0;
    if (strlen(path) > 100) fail("the path is too long");
    block[size++] = 0x83; /* :method POST */
    block[size++] = 0x86; /* :scheme http */
    block[size++] = 0x04; /* :path, not indexed */
    size += put_literal(block + size, path);
    block[size++] = 0x01; /* :authority */
    size += put_literal(block + size, "127.0.0.1");
    block[size++] = 0x0f, block[size++] = 0x10; /* content-type */
    size += put_literal(block + size, "application/grpc");
    block[size++] = 0x00;
    size += put_literal(block + size, "te");
    size += put_literal(block + size, "trailers");
    to->next_id += 2;
    if (id / 2 >= to->stream_count) {
        size_t count = to->stream_count ? to->stream_count * 2 : 128;
        to->streams = grown(to->streams, count * sizeof *to->streams);
        memset(to->streams + to->stream_count, 0, (count - to->stream_count) * sizeof *to->streams);
        to->stream_count = count;
    }
    to->streams[id / 2] = (struct stream){.window = to->initial_window};
    put_frame(to, HEADERS, END_HEADERS, id, block, size);
    return id;
}

static void call(struct connection *to, const char *path, const uint8_t *bytes, size_t size, uint64_t tag) {
    uint32_t id = open_stream(to, path);
    to->streams[id / 2].tag = tag;
    send_message(to, id, bytes, size, 1);
}

/* --- Receiving -------------------------------------------------------------------------------------------------- */

static void take_data(struct connection *from, uint32_t id, const uint8_t *body, size_t size) {
    struct stream *stream = &from->streams[id / 2];
    while (size) {
        if (stream->head_bytes < MESSAGE_HEAD) {
            stream->head[stream->head_bytes++] = *body++;
            size--;
            if (stream->head_bytes == MESSAGE_HEAD) stream->left = number_at(stream->head + 1);
            else continue;
        }
        size_t part = size < stream->left ? size : stream->left;
        stream->left -= (uint32_t)part, body += part, size -= part;
        if (stream->left == 0) {
            stream->head_bytes = 0;
            stream->messages++;
            on_message(from, id);
            stream = &from->streams[id / 2]; /* a callback may have opened streams */
        }
    }
}

static void take_settings(struct connection *from, const uint8_t *body, size_t size) {
    for (; size >= 6; body += 6, size -= 6) {
        if ((body[0] << 8 | body[1]) != INITIAL_WINDOW_SIZE) continue;
        int64_t change = (int64_t)number_at(body + 2) - from->initial_window;
        from->initial_window += change;
        for (uint32_t id = 1; id < from->next_id; id += 2) from->streams[id / 2].window += change;
    }
    put_frame(from, SETTINGS, ACK, 0, NULL, 0);
}

static void take_frame(struct connection *from, int kind, int flags, uint32_t id, const uint8_t *body, size_t size) {
    switch (kind) {
    case DATA:
        take_data(from, id, body, size);
        if (flags & END_STREAM) on_end(from, id);
        break;
    case HEADERS:
        if (flags & END_STREAM) on_end(from, id);
        break;
    case RESET:
        on_end(from, id);
        break;
    case SETTINGS:
        if (!(flags & ACK)) take_settings(from, body, size);
        break;
    case PING:
        if (!(flags & ACK)) put_frame(from, PING, ACK, 0, body, size);
        break;
    case GOAWAY:
        from->is_lost = 1;
        break;
    case WINDOW_UPDATE:
        if (id) from->streams[id / 2].window += number_at(body);
        else from->window += number_at(body);
        break;
    }
}

static void receive(struct connection *from) {
    ssize_t count = recv(from->fd, from->input + from->input_bytes, INPUT_BYTES - from->input_bytes, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) {
        from->is_lost = 1;
        if (!may_lose_connections) fail("the server closed the connection");
        return;
    }
    from->input_bytes += (size_t)count;
    size_t at = 0;
    while (from->input_bytes - at >= FRAME_HEAD) {
        const uint8_t *head = from->input + at;
        size_t size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (from->input_bytes - at < FRAME_HEAD + size) break;
        take_frame(from, head[3], head[4], number_at(head + 5) & WINDOW_MAX, head + FRAME_HEAD, size);
        at += FRAME_HEAD + size;
    }
    memmove(from->input, from->input + at, from->input_bytes - at);
    from->input_bytes -= at;
    pump(from);
}

static int poller = -1;

/* One connection; NULL if nobody listens. */
static struct connection *dial(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
        close(fd);
        return NULL;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct connection *made = calloc(1, sizeof *made);
    made->fd = fd, made->next_id = 1, made->window = made->initial_window = WINDOW_DEFAULT;
    made->input = grown(NULL, INPUT_BYTES);
    /* Windows so large that what is received never has to be given back. */
    uint8_t setting[6] = {0, INITIAL_WINDOW_SIZE}, more[4];
    write_number(setting + 2, WINDOW_MAX);
    write_number(more, WINDOW_MAX - WINDOW_DEFAULT);
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    put_bytes(made, preface, sizeof preface - 1);
    put_frame(made, SETTINGS, 0, 0, setting, sizeof setting);
    put_frame(made, WINDOW_UPDATE, 0, 0, more, sizeof more);
    flush(made);
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = made};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &wanted);
    return made;
}

static struct connection *dial_or_fail(int port) {
    struct connection *made = dial(port);
    if (!made) fail("nobody listens");
    return made;
}

static void hang_up(struct connection *from) {
    close(from->fd);
    free(from->input), free(from->output), free(from->queue), free(from->streams), free(from);
}

/* Wait for something to come, and take it; 0 if nothing came in time. */
static int turn(int wait_ms) {
    struct epoll_event ready[256];
    int count = epoll_wait(poller, ready, 256, wait_ms);
    for (int at = 0; at < count; at++) receive(ready[at].data.ptr);
    return count > 0;
}

static void turn_or_fail(void) {
    if (!turn(WAIT_MS)) fail("the server does not answer");
}

/* --- Files of framed messages ----------------------------------------------------------------------------------- */

struct file {
    uint8_t *bytes;
    size_t *starts; /* one more than messages */
    size_t count;
};

static struct file read_file(const char *path) {
    struct file found = {0};
    FILE *file = fopen(path, "rb");
    if (!file) fail("a file of messages cannot be read");
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file), at = 0;
    rewind(file);
    found.bytes = grown(NULL, size + 1);
    if (fread(found.bytes, 1, size, file) != size) fail("a file of messages cannot be read");
    fclose(file);
    found.starts = grown(NULL, (size / MESSAGE_HEAD + 2) * sizeof *found.starts);
    while (at < size) {
        found.starts[found.count++] = at;
        at += MESSAGE_HEAD + number_at(found.bytes + at + 1);
    }
    found.starts[found.count] = at;
    if (at != size || !found.count) fail("a file of messages is cut");
    return found;
}

static const uint8_t *message(const struct file *file, size_t number) {
    return file->bytes + file->starts[number];
}

static size_t message_size(const struct file *file, size_t number) {
    return file->starts[number + 1] - file->starts[number];
}

/* --- Results ---------------------------------------------------------------------------------------------------- */

static int compare(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void report(uint64_t *spent_ns, size_t count, uint64_t whole_ns) {
    qsort(spent_ns, count, sizeof *spent_ns, compare);
    printf("rate=%.3f p50_ms=%.4f p99_ms=%.4f\n", (double)count * 1e9 / (double)whole_ns,
           (double)spent_ns[count / 2] / 1e6, (double)spent_ns[count * 99 / 100] / 1e6);
}

/* --- Commands --------------------------------------------------------------------------------------------------- */

static uint64_t messages_seen, last_message_ns;
static uint32_t answered_by;

static void count_message(struct connection *from, uint32_t id) {
    (void)from, (void)id;
    messages_seen++;
}

static void end_is_error(struct connection *from, uint32_t id) {
    if (!from->streams[id / 2].messages) fail("a call was refused");
}

static struct connection *putter;

static void count_event(struct connection *from, uint32_t id) {
    (void)id;
    if (from == putter) {
        answered_by = 1;
        return;
    }
    messages_seen++;
    last_message_ns = now_ns();
}

static void fan_out(int port, uint64_t watchers, uint64_t puts, struct file watch, struct file put,
                    const char *watch_path, const char *put_path, int ends) {
    uint64_t *spent_ns = grown(NULL, puts * sizeof *spent_ns);
    struct connection *holder = NULL;
    on_message = count_event, on_end = end_is_error;
    for (uint64_t number = 0; number < watchers; number++) {
        if (number % STREAMS_PER_CONNECTION == 0) holder = dial_or_fail(port);
        uint32_t id = open_stream(holder, watch_path);
        send_message(holder, id, message(&watch, 0), message_size(&watch, 0), ends);
    }
    while (messages_seen < watchers) turn_or_fail(); /* each says that it is there */
    putter = dial_or_fail(port);
    uint64_t begun_ns = now_ns();
    for (uint64_t number = 0; number < puts; number++) {
        uint64_t start_ns = now_ns();
        messages_seen = 0, answered_by = 0;
        call(putter, put_path, message(&put, 0), message_size(&put, 0), 0);
        while (messages_seen < watchers || !answered_by) turn_or_fail();
        spent_ns[number] = last_message_ns - start_ns;
    }
    report(spent_ns, puts, now_ns() - begun_ns);
}

static struct file echoed;
static uint64_t *echo_ns, echo_count, echo_sent;

static void echo_again(struct connection *from, uint32_t id) {
    struct stream *stream = &from->streams[id / 2];
    uint64_t now = now_ns(), client = stream->tag >> 48;
    echo_ns[messages_seen++] = now - (stream->tag & 0xffffffffffff);
    if (echo_sent == echo_count) return;
    echo_sent++;
    stream->tag = client << 48 | (now & 0xffffffffffff);
    send_message(from, id, message(&echoed, client), message_size(&echoed, client), 0);
}

static void echo(int port, const char *path, uint64_t clients, uint64_t count, struct file file) {
    on_message = echo_again, on_end = end_is_error;
    if (file.count < clients || clients > count) fail("each client needs a message, and one of the count");
    echoed = file, echo_count = count, echo_ns = grown(NULL, count * sizeof *echo_ns);
    struct connection **all = grown(NULL, clients * sizeof *all);
    for (uint64_t client = 0; client < clients; client++) all[client] = dial_or_fail(port);
    uint64_t begun_ns = now_ns();
    for (uint64_t client = 0; client < clients; client++) {
        uint32_t id = open_stream(all[client], path);
        all[client]->streams[id / 2].tag = client << 48 | (now_ns() & 0xffffffffffff);
        echo_sent++;
        send_message(all[client], id, message(&file, client), message_size(&file, client), 0);
    }
    while (messages_seen < count) turn_or_fail();
    report(echo_ns, count, now_ns() - begun_ns);
}

static void call_all(int port, const char *path, uint64_t depth, struct file file) {
    on_message = count_message, on_end = end_is_error;
    uint64_t begun_ns = now_ns();
    struct connection *to = dial_or_fail(port);
    for (uint64_t sent = 0; messages_seen < file.count;) {
        for (; sent < file.count && sent - messages_seen < depth; sent++)
            call(to, path, message(&file, sent), message_size(&file, sent), 0);
        turn_or_fail();
    }
    printf("calls=%zu seconds=%.6f\n", file.count, (double)(now_ns() - begun_ns) / 1e9);
}

static struct file spread_file;
static const char *spread_path;
static uint64_t *spread_ns, spread_size, spread_sent, spread_end_ns;

static void spread_call(struct connection *to) {
    size_t at = spread_sent++ % spread_file.count;
    call(to, spread_path, message(&spread_file, at), message_size(&spread_file, at), now_ns());
}

static void spread_again(struct connection *from, uint32_t id) {
    uint64_t now = now_ns();
    if (messages_seen == spread_size) {
        spread_size = spread_size ? spread_size * 2 : 65536;
        spread_ns = grown(spread_ns, spread_size * sizeof *spread_ns);
    }
    spread_ns[messages_seen++] = now - from->streams[id / 2].tag;
    if (now < spread_end_ns) spread_call(from);
}

static void spread(int port, const char *path, uint64_t clients, double seconds, struct file file) {
    on_message = spread_again, on_end = end_is_error;
    struct connection **all = grown(NULL, clients * sizeof *all);
    for (uint64_t client = 0; client < clients; client++) all[client] = dial_or_fail(port);
    uint64_t begun_ns = now_ns();
    spread_file = file, spread_path = path, spread_end_ns = begun_ns + (uint64_t)(seconds * 1e9);
    for (uint64_t client = 0; client < clients; client++) spread_call(all[client]);
    while (messages_seen < spread_sent) turn_or_fail();
    report(spread_ns, messages_seen, now_ns() - begun_ns);
}

static void count_answer(struct connection *from, uint32_t id) {
    (void)from, (void)id;
    answered_by = 1;
    last_message_ns = now_ns();
}

static void end_is_fine(struct connection *from, uint32_t id) {
    (void)from, (void)id;
}

/* Requests may be lost in a cluster that has no leader: so another one is sent every few milliseconds. */
static void ask_until_answered(const char *path, struct file file, pid_t victim, int *ports, int count) {
    struct connection *to[16] = {0};
    on_message = count_answer, on_end = end_is_fine, may_lose_connections = 1;
    if (count > 16) fail("too many ports");
    for (int at = 0; at < count; at++) to[at] = dial(ports[at]);
    if (victim && kill(victim, SIGKILL)) fail("the victim is no process");
    uint64_t begun_ns = now_ns();
    while (!answered_by) {
        for (int at = 0; at < count; at++) {
            if (to[at] && to[at]->is_lost) hang_up(to[at]), to[at] = NULL;
            if (!to[at]) to[at] = dial(ports[at]);
            if (to[at]) call(to[at], path, message(&file, 0), message_size(&file, 0), 0);
        }
        uint64_t until_ns = now_ns() + ASK_AGAIN_MS * 1000000u;
        if (until_ns - begun_ns > WAIT_MS * 1000000ull) fail("nobody answers");
        while (!answered_by && now_ns() < until_ns) turn(1);
    }
    printf("ms=%.3f at_ns=%llu\n", (double)(last_message_ns - begun_ns) / 1e6, (unsigned long long)last_message_ns);
}

int main(int count, char **words) {
    poller = epoll_create1(EPOLL_CLOEXEC);
    if ((count == 7 || count == 9) && !strcmp(words[1], "fanout"))
        fan_out(atoi(words[2]), strtoull(words[3], 0, 10), strtoull(words[4], 0, 10), read_file(words[5]),
                read_file(words[6]), count == 9 ? words[7] : "/etcdserverpb.Watch/Watch",
                count == 9 ? words[8] : "/etcdserverpb.KV/Put", count == 9);
    else if (count == 7 && !strcmp(words[1], "spread"))
        spread(atoi(words[2]), words[3], strtoull(words[4], 0, 10), strtod(words[5], 0), read_file(words[6]));
    else if (count == 7 && !strcmp(words[1], "echo"))
        echo(atoi(words[2]), words[3], strtoull(words[4], 0, 10), strtoull(words[5], 0, 10), read_file(words[6]));
    else if (count == 6 && !strcmp(words[1], "calls"))
        call_all(atoi(words[2]), words[3], strtoull(words[4], 0, 10), read_file(words[5]));
    else if (count >= 6 && !strcmp(words[1], "answered")) {
        int ports[64], all = count - 5 < 64 ? count - 5 : 64;
        for (int at = 0; at < all; at++) ports[at] = atoi(words[5 + at]);
        ask_until_answered(words[2], read_file(words[3]), atoi(words[4]), ports, all);
    } else
        fail("usage: see the head of the source");
    return 0;
}
