/* Stands before libc in one process and makes the disk fail and the wall clock jump, as the environment says:
 *
 *   FAULT_DISK=site=SITE,nth=N,times=T,error=EIO|ENOSPC|KILL,log=FILE
 *     The N-th call at SITE in this process, and the T-1 after it, fail (T=0: all after it). KILL ends the process
 *     (SIGKILL) before the call. Each failure is noted in FILE.
 *     A journal sync that fails forgets what was written since the last one that succeeded, as a kernel may
 *     (the page is clean afterwards and the data gone).
 *     ENOSPC writes the first half of what was to be written, and then fails.
 *   FAULT_CLOCK=FILE
 *     The wall clock is off by the number of seconds in FILE (eight bytes, signed, of this machine's order), read anew
 *     at each look. The monotonic clock is untouched.
 *
 * Sites are told by the path alone, so that only a gateway's data is met; see site_of().
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum op { OPEN_NEW, WRITE, SYNC, RENAME };

static struct {
    int on, error, kill;
    char site[32], log[400];
    long nth, times, seen;
} disk;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int64_t *clock_offset_s;

static int ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static const char *site_of(const char *path, enum op op) {
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    if (strstr(path, "/ledger.db")) return op == WRITE ? "ledger-write" : op == SYNC ? "ledger-sync" : NULL;
    if (ends_with(path, "/journal")) return op == SYNC ? "names-sync" : NULL;
    if (!strstr(path, "/journal/")) return NULL;
    if (strncmp(name, "unused-", 7) == 0)
        return op == OPEN_NEW ? "segment-create" : op == WRITE ? "segment-write"
             : op == SYNC ? "segment-sync" : "segment-rename";
    if (strcmp(name, "ballast") == 0) return op == WRITE ? "ballast-write" : NULL;
    if (ends_with(name, ".journal")) return op == WRITE ? "journal-write" : op == SYNC ? "journal-sync" : NULL;
    return NULL;
}

/* Whether this call is to fail. Kills where that is what was asked for. */
static int fails(const char *path, enum op op) {
    if (!disk.on) return 0;
    const char *site = site_of(path, op);
    if (!site || (strcmp(disk.site, "any") != 0 && strcmp(disk.site, site) != 0)) return 0;
    long seen = __atomic_add_fetch(&disk.seen, 1, __ATOMIC_SEQ_CST);
    if (seen < disk.nth || (disk.times != 0 && seen >= disk.nth + disk.times)) return 0;
    int log = syscall(SYS_openat, AT_FDCWD, disk.log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (log >= 0) {
        char line[600];
        int length = snprintf(line, sizeof line, "%d %s %ld %s\n", (int)getpid(), site, seen, path);
        syscall(SYS_write, log, line, (size_t)length);
        syscall(SYS_close, log);
    }
    if (disk.kill) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    return 1;
}

static int fails_fd(int fd, enum op op) {
    if (!disk.on) return 0;
    int saved = errno;
    char link[40], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length <= 0) return 0;
    path[length] = 0;
    return fails(path, op);
}

#define REAL(name, type) \
    static type real_##name; \
    if (!real_##name) real_##name = (type)dlsym(RTLD_NEXT, #name)

/* What was written since the last sync, and what stood there before. */
static struct unsynced { int fd; off_t at; size_t length; char *before; struct unsynced *next; } *unsynced;

static void remember(int fd, off_t at, size_t length) {
    if (!disk.on || strcmp(disk.site, "journal-sync") != 0) return;
    struct unsynced *it = malloc(sizeof *it);
    char *before = malloc(length ? length : 1);
    if (!it || !before) abort();
    ssize_t got = 0;
    /* The file is open to write alone: read it by its name. */
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int copy = syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
    if (copy >= 0) {
        got = pread(copy, before, length, at);
        syscall(SYS_close, copy);
    }
    if (got < 0) got = 0;
    memset(before + got, 0, length - (size_t)got);
    pthread_mutex_lock(&lock);
    *it = (struct unsynced){fd, at, length, before, unsynced};
    unsynced = it;
    pthread_mutex_unlock(&lock);
}

static void synced(int fd, int lost) {
    pthread_mutex_lock(&lock);
    struct unsynced **place = &unsynced;
    while (*place) {
        struct unsynced *it = *place;
        if (it->fd != fd) { place = &it->next; continue; }
        if (lost) syscall(SYS_pwrite64, fd, it->before, it->length, it->at);
        *place = it->next;
        free(it->before);
        free(it);
    }
    pthread_mutex_unlock(&lock);
}

static ssize_t write_at(int fd, const void *bytes, size_t length, off_t at) {
    if (fails_fd(fd, WRITE)) {
        if (disk.error == ENOSPC) syscall(SYS_pwrite64, fd, bytes, length / 2, at);
        errno = disk.error;
        return -1;
    }
    if (disk.on) remember(fd, at, length);
    return syscall(SYS_pwrite64, fd, bytes, length, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return write_at(fd, bytes, length, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at) { return write_at(fd, bytes, length, at); }

ssize_t write(int fd, const void *bytes, size_t length) {
    if (fails_fd(fd, WRITE)) {
        errno = disk.error;
        return -1;
    }
    return syscall(SYS_write, fd, bytes, length);
}

static int sync_by(long call, int fd) {
    if (fails_fd(fd, SYNC)) {
        synced(fd, 1);
        errno = disk.error;
        return -1;
    }
    int done = (int)syscall(call, fd);
    if (disk.on && done == 0) synced(fd, 0);
    return done;
}

int fsync(int fd) { return sync_by(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_by(SYS_fdatasync, fd); }

int rename(const char *from, const char *to) {
    if (fails(from, RENAME)) {
        errno = disk.error;
        return -1;
    }
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

static int open_path(const char *path, int flags, mode_t mode) {
    if ((flags & O_CREAT) && fails(path, OPEN_NEW)) {
        errno = disk.error;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    return open_path(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    return open_path(path, flags | O_LARGEFILE, mode);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    typedef int (*get)(clockid_t, struct timespec *);
    REAL(clock_gettime, get);
    int done = real_clock_gettime(clock, now);
    if (done == 0 && clock_offset_s && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *clock_offset_s;
    return done;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    int done = clock_gettime(CLOCK_REALTIME, &exact);
    if (done == 0) *now = (struct timeval){exact.tv_sec, exact.tv_nsec / 1000};
    return done;
}

time_t time(time_t *into) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (into) *into = exact.tv_sec;
    return exact.tv_sec;
}

static void value(const char *all, const char *name, char *into, size_t room) {
    char wanted[32];
    snprintf(wanted, sizeof wanted, "%s=", name);
    for (const char *part = all; part && *part; part = strchr(part, ',') ? strchr(part, ',') + 1 : NULL)
        if (strncmp(part, wanted, strlen(wanted)) == 0)
            snprintf(into, room, "%.*s", (int)strcspn(part + strlen(wanted), ","), part + strlen(wanted));
}

__attribute__((constructor)) static void read_environment(void) {
    const char *all = getenv("FAULT_DISK");
    if (all) {
        char nth[24] = "1", times[24] = "1", error[16] = "EIO";
        value(all, "site", disk.site, sizeof disk.site);
        value(all, "log", disk.log, sizeof disk.log);
        value(all, "nth", nth, sizeof nth);
        value(all, "times", times, sizeof times);
        value(all, "error", error, sizeof error);
        disk.nth = atol(nth);
        disk.times = atol(times);
        disk.kill = strcmp(error, "KILL") == 0;
        disk.error = strcmp(error, "ENOSPC") == 0 ? ENOSPC : EIO;
        disk.on = 1;
    }
    const char *file = getenv("FAULT_CLOCK");
    if (file) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC);
        void *page = fd < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);
        if (page == MAP_FAILED) {
            static const char sorry[] = "FAULT_CLOCK: the file cannot be read\n";
            syscall(SYS_write, 2, sorry, sizeof sorry - 1);
            _exit(99);
        }
        clock_offset_s = page;
    }
}
