/* Stands between a program and libc's file operations (LD_PRELOAD). It counts those that change files under a folder, makes one of
   them fail or ends the process there, and keeps what was synced: the contents of a file at its last fsync, and the names in a
   folder at its last fsync. tools/faults.py uses it. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { COUNT, FAIL, FULL, SHORT, CRASH };

#define CRASHED 86 /* the exit code of a crash */

static char root[PATH_MAX], kept[PATH_MAX];
static int armed, trace = -1;
static long fault_at;
static enum kind fault_kind;
static int fault_errno;
static atomic_long seen;

/* Begin to count. */
void faults_arm(const char *folder, const char *synced, long at, int kind, int error, int trace_to) {
    snprintf(root, sizeof root, "%s", folder);
    snprintf(kept, sizeof kept, "%s", synced);
    fault_at = at, fault_kind = kind, fault_errno = error, trace = trace_to;
    atomic_store(&seen, 0);
    armed = 1;
}

/* Stop; returns how many operations there were. */
long faults_disarm(void) {
    armed = 0;
    return seen;
}

static int below(const char *path) {
    size_t length = strlen(root);
    return !strncmp(path, root, length) && (path[length] == '/' || !path[length]);
}

/* Whether a path, relative to a folder, is under the root; its whole path. */
static int whole_path(int folder, const char *path, char *whole) {
    if (path[0] == '/') {
        snprintf(whole, PATH_MAX, "%s", path);
    } else {
        char from[64], base[PATH_MAX];
        snprintf(from, sizeof from, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
        ssize_t length = readlink(from, base, sizeof base - 1);
        if (length < 0) return 0;
        base[length] = 0;
        if ((size_t)snprintf(whole, PATH_MAX, "%.2000s/%.2000s", base, path) >= PATH_MAX) return 0;
    }
    return below(whole);
}

static int fd_path(int fd, char *whole) {
    char from[64];
    snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(from, whole, PATH_MAX - 1);
    if (length < 0) return 0;
    whole[length] = 0;
    return below(whole);
}

/* Count an operation: 0 to go on, -1 to fail with errno, 1 to do half of it. takes_room: whether a full disk stops it. */
static int met(const char *operation, const char *path, int takes_room) {
    long number = atomic_fetch_add(&seen, 1) + 1;
    if (trace >= 0) {
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%ld %s %s\n", number, operation, path + strlen(root));
        syscall(SYS_write, trace, line, length);
    }
    if (fault_kind == FULL && number >= fault_at && takes_room) {
        errno = ENOSPC;
        return -1;
    }
    if (number != fault_at) return 0;
    if (fault_kind == FAIL) {
        errno = fault_errno;
        return -1;
    }
    if (fault_kind == SHORT || (fault_kind == CRASH && strstr(operation, "write"))) return 1;
    if (fault_kind == CRASH) _exit(CRASHED);
    return 0;
}

/* Keep the contents of a file, or the names in a folder, as they are now. */
static void keep(int fd) {
    struct stat status;
    char to[PATH_MAX + 64], command[64];
    if (fstat(fd, &status)) return;
    if (S_ISDIR(status.st_mode)) {
        snprintf(to, sizeof to, "%s/names-%ld", kept, (long)status.st_ino);
        int out = syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        int own = syscall(SYS_openat, fd, ".", O_RDONLY | O_DIRECTORY, 0);
        char entries[1 << 15];
        long got;
        while (own >= 0 && (got = syscall(SYS_getdents64, own, entries, sizeof entries)) > 0)
            for (long at = 0; at < got;) {
                struct { unsigned long ino; long off; unsigned short length; unsigned char type; char name[]; } *one = (void *)(entries + at);
                if (strcmp(one->name, ".") && strcmp(one->name, "..")) {
                    int length = snprintf(command, sizeof command, "%lu ", one->ino);
                    syscall(SYS_write, out, command, length);
                    syscall(SYS_write, out, one->name, strlen(one->name) + 1); /* with the zero that ends it */
                }
                at += one->length;
            }
        syscall(SYS_close, own);
        syscall(SYS_close, out);
        return;
    }
    if (!S_ISREG(status.st_mode)) return;
    snprintf(to, sizeof to, "%s/bytes-%ld", kept, (long)status.st_ino);
    snprintf(command, sizeof command, "/proc/self/fd/%d", fd);
    int out = syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int in = syscall(SYS_openat, AT_FDCWD, command, O_RDONLY, 0);
    char bytes[1 << 15];
    long got;
    while ((got = syscall(SYS_read, in, bytes, sizeof bytes)) > 0) syscall(SYS_write, out, bytes, got);
    syscall(SYS_close, in);
    syscall(SYS_close, out);
}

/* A second name for a new file, so that its number is not given to another one as long as the run is looked at. */
static void hold(int fd, const char *path) {
    struct stat status;
    char to[PATH_MAX + 64];
    if (fstat(fd, &status) || !S_ISREG(status.st_mode)) return;
    snprintf(to, sizeof to, "%s/held-%ld", kept, (long)status.st_ino);
    syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, to, 0);
}

static int opened(int folder, const char *path, int flags, mode_t mode) {
    char whole[PATH_MAX];
    int writes = (flags & (O_WRONLY | O_RDWR | O_CREAT)) && armed && whole_path(folder, path, whole);
    int is_new = writes && (flags & O_CREAT) && syscall(SYS_faccessat, AT_FDCWD, whole, F_OK, 0) != 0;
    if (writes && met(is_new ? "create" : "open", whole, is_new)) return -1;
    int fd = syscall(SYS_openat, folder, path, flags, mode);
    if (fd >= 0 && is_new) hold(fd, whole);
    return fd;
}

#define MODE_OF(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }

int open(const char *path, int flags, ...) { MODE_OF(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE_OF(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE_OF(flags) return opened(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE_OF(flags) return opened(folder, path, flags, mode); }

/* How many bytes of a write to do, -1 for none. */
static long allowed(int fd, const char *operation, size_t size) {
    char whole[PATH_MAX];
    if (!armed || !fd_path(fd, whole)) return size;
    int answer = met(operation, whole, 1);
    return answer < 0 ? -1 : answer ? (long)(size + 1) / 2 : (long)size;
}

/* The end of a write: where the process was to crash in it, it does now. */
static ssize_t written(int fd, ssize_t count, size_t size, long asked) {
    if (armed && fault_kind == CRASH && asked != (long)size) _exit(CRASHED);
    if (armed && count > 0 && (fcntl(fd, F_GETFL) & O_DSYNC)) keep(fd);
    return count;
}

ssize_t write(int fd, const void *bytes, size_t size) {
    long asked = allowed(fd, "write", size);
    return asked < 0 ? -1 : written(fd, syscall(SYS_write, fd, bytes, asked), size, asked);
}

static ssize_t pwritten(int fd, const void *bytes, size_t size, off_t at) {
    long asked = allowed(fd, "pwrite", size);
    return asked < 0 ? -1 : written(fd, syscall(SYS_pwrite64, fd, bytes, asked, at), size, asked);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) { return pwritten(fd, bytes, size, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at) { return pwritten(fd, bytes, size, at); }

/* Vectors are written one by one, so that half of one can be. */
static ssize_t all(int fd, const struct iovec *vectors, int count, off_t at, int has_offset) {
    ssize_t total = 0;
    for (int n = 0; n < count; n++) {
        ssize_t one = has_offset ? pwritten(fd, vectors[n].iov_base, vectors[n].iov_len, at + total)
                                 : write(fd, vectors[n].iov_base, vectors[n].iov_len);
        if (one < 0) return total ? total : -1;
        total += one;
        if ((size_t)one < vectors[n].iov_len) break;
    }
    return total;
}

ssize_t writev(int fd, const struct iovec *vectors, int count) { return all(fd, vectors, count, 0, 0); }
ssize_t pwritev(int fd, const struct iovec *vectors, int count, off_t at) { return all(fd, vectors, count, at, 1); }
ssize_t pwritev64(int fd, const struct iovec *vectors, int count, off_t at) { return all(fd, vectors, count, at, 1); }

static int synced(int fd, long number, const char *operation) {
    char whole[PATH_MAX];
    int ours = armed && fd_path(fd, whole);
    if (ours && met(operation, whole, 0)) return -1;
    int result = syscall(number, fd);
    if (ours && !result) keep(fd);
    return result;
}

int fsync(int fd) { return synced(fd, SYS_fsync, "fsync"); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync, "fdatasync"); }

/* Operations on names: counted, then done. */
#define ON_NAME(folder, path, operation, takes_room) \
    do { \
        char whole[PATH_MAX]; \
        if (armed && whole_path(folder, path, whole) && met(operation, whole, takes_room)) return -1; \
    } while (0)

int rename(const char *from, const char *to) {
    ON_NAME(AT_FDCWD, to, "rename", 0);
    return syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    ON_NAME(to_folder, to, "rename", 0);
    return syscall(SYS_renameat, from_folder, from, to_folder, to);
}

int unlink(const char *path) {
    ON_NAME(AT_FDCWD, path, "unlink", 0);
    return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int unlinkat(int folder, const char *path, int flags) {
    ON_NAME(folder, path, "unlink", 0);
    return syscall(SYS_unlinkat, folder, path, flags);
}

int rmdir(const char *path) {
    ON_NAME(AT_FDCWD, path, "rmdir", 0);
    return syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

int mkdir(const char *path, mode_t mode) {
    ON_NAME(AT_FDCWD, path, "mkdir", 1);
    return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode) {
    ON_NAME(folder, path, "mkdir", 1);
    return syscall(SYS_mkdirat, folder, path, mode);
}

int chmod(const char *path, mode_t mode) {
    ON_NAME(AT_FDCWD, path, "chmod", 0);
    return syscall(SYS_fchmodat, AT_FDCWD, path, mode);
}

static int cut(int fd, off_t size) {
    char whole[PATH_MAX];
    if (armed && fd_path(fd, whole) && met("truncate", whole, 0)) return -1;
    return syscall(SYS_ftruncate, fd, size);
}

int ftruncate(int fd, off_t size) { return cut(fd, size); }
int ftruncate64(int fd, off_t size) { return cut(fd, size); }

static int cut_by_name(const char *path, off_t size) {
    ON_NAME(AT_FDCWD, path, "truncate", 0);
    return syscall(SYS_truncate, path, size);
}

int truncate(const char *path, off_t size) { return cut_by_name(path, size); }
int truncate64(const char *path, off_t size) { return cut_by_name(path, size); }

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    ON_NAME(to_folder, to, "link", 1);
    return syscall(SYS_linkat, from_folder, from, to_folder, to, flags);
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int symlinkat(const char *from, int folder, const char *to) {
    ON_NAME(folder, to, "link", 1);
    return syscall(SYS_symlinkat, from, folder, to);
}

int symlink(const char *from, const char *to) { return symlinkat(from, AT_FDCWD, to); }
