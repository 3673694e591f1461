/* A slow disk and a wrong clock for one process, while it runs: LD_PRELOAD this, and write into the file that
 * ULTRACLOUD_SHIM names: two little-endian int64, the microseconds each sync takes longer, and the nanoseconds the wall
 * clock is ahead. Only programs that call libc are reached: Python is, Go programs are not.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct control {
    volatile int64_t sync_us;
    volatile int64_t wall_ns;
};

static struct control still = {0, 0};
static struct control *control = &still;

__attribute__((constructor)) static void open_control(void) {
    const char *path = getenv("ULTRACLOUD_SHIM");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *found = mmap(NULL, sizeof *control, PROT_READ, MAP_SHARED, fd, 0);
    if (found != MAP_FAILED) control = found;
    close(fd);
}

static void *next_of(const char *name) { return dlsym(RTLD_NEXT, name); }

static void wait_for_disk(void) {
    int64_t us = control->sync_us;
    if (us <= 0) return;
    struct timespec pause = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&pause, NULL);
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = next_of("fsync");
    wait_for_disk();
    return real(fd);
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = next_of("fdatasync");
    wait_for_disk();
    return real(fd);
}

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t at, int flags) {
    static ssize_t (*real)(int, const struct iovec *, int, off_t, int);
    if (!real) real = next_of("pwritev2");
    if (flags & (RWF_DSYNC | RWF_SYNC)) wait_for_disk();
    return real(fd, parts, count, at, flags);
}

ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t at, int flags) {
    static ssize_t (*real)(int, const struct iovec *, int, off64_t, int);
    if (!real) real = next_of("pwritev64v2");
    if (flags & (RWF_DSYNC | RWF_SYNC)) wait_for_disk();
    return real(fd, parts, count, at, flags);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = next_of("clock_gettime");
    int status = real(clock, now);
    int64_t ahead = control->wall_ns;
    if (status == 0 && ahead && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t at = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + ahead;
        now->tv_sec = at / 1000000000;
        now->tv_nsec = at % 1000000000;
    }
    return status;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec at;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &at);
    now->tv_sec = at.tv_sec;
    now->tv_usec = at.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *into) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (into) *into = at.tv_sec;
    return at.tv_sec;
}
