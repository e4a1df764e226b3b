/*
 * Memory tagging as a user program sees it (Linux Documentation/arch/arm64/memory-tagging-extension.rst): each check
 * prints "name: yes", or what it found instead. Built by mte.test.ts with -march=armv8.5-a+memtag -static.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PROT_MTE
#define PROT_MTE 0x20
#endif
#define SET_CTRL 55
#define GET_CTRL 56
#define ENABLE 1ul
#define SYNC 2ul
#define ASYNC 4ul
#define ALL_TAGS (0xfffeul << 3)
#define PEEKMTETAGS 33
#define POKEMTETAGS 34
#define SA_EXPOSE 0x800

static sigjmp_buf back;
static volatile int caught_code;
static volatile uintptr_t caught_address;

static void on_fault(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)context;
  caught_code = info->si_code;
  caught_address = (uintptr_t)info->si_addr;
  siglongjmp(back, 1);
}

static void report(const char *name, int yes, unsigned long found) {
  if (yes) printf("%s: yes\n", name);
  else printf("%s: NO, 0x%lx code %d address 0x%lx\n", name, found, caught_code, caught_address);
}

static int mode(unsigned long bits) { return prctl(SET_CTRL, ENABLE | bits | ALL_TAGS, 0, 0, 0); }

static void *tagged_memory(size_t size) {
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_MTE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) {
    perror("mmap PROT_MTE");
    exit(1);
  }
  return p;
}

static char *with_tag(const volatile void *p, unsigned long tag) {
  return (char *)(((uintptr_t)p & ~(0xful << 56)) | tag << 56);
}
static unsigned long tag_of(const volatile void *p) { return (uintptr_t)p >> 56 & 15; }

/* In assembly, because compilers take the intrinsics for functions of their arguments alone. */
static unsigned long tag_at(const volatile void *p) {
  __asm__ volatile("ldg %0, [%0]" : "+r"(p)::"memory");
  return tag_of(p);
}
static void set_tag(const volatile void *p) { __asm__ volatile("stg %0, [%0]" ::"r"(p) : "memory"); }
static void set_tags(const char *p, size_t size) {
  for (size_t k = 0; k < size; k += 16) set_tag(p + k);
}
static unsigned long random_tag(void) {
  uintptr_t p;
  __asm__ volatile("irg %0, %1" : "=r"(p) : "r"(0ul));
  return tag_of((void *)p);
}
static unsigned long next_tag(unsigned long tag) {
  uintptr_t p = tag << 56;
  __asm__ volatile("addg %0, %0, #16, #1" : "+r"(p));
  return tag_of((void *)p);
}

/* Runs an access; 1 where it faulted. */
#define FAULTS(access)                                                                                       \
  ({                                                                                                         \
    caught_code = 0;                                                                                         \
    caught_address = 1;                                                                                      \
    volatile int faulted_ = 1;                                                                               \
    if (!sigsetjmp(back, 1)) {                                                                               \
      access;                                                                                                \
      faulted_ = 0;                                                                                          \
    }                                                                                                        \
    faulted_;                                                                                                \
  })

static void check_sync(void) {
  char *p = with_tag(tagged_memory(4096), 5);
  set_tags(p, 4096);
  mode(SYNC);
  p[100] = 42;
  report("matching tag", p[100] == 42, p[100]);
  volatile char *bad = with_tag(p, 6) + 100;
  int faulted = FAULTS(*bad);
  report("read, SEGV_MTESERR", faulted && caught_code == SEGV_MTESERR, faulted);
  report("read, tagged address", caught_address == (uintptr_t)bad, 0);
  faulted = FAULTS(*bad = 1);
  report("write, SEGV_MTESERR", faulted && caught_code == SEGV_MTESERR && p[100] == 42, p[100]);
  volatile uint64_t *across = (uint64_t *)(p + 4096 - 20);
  set_tag(with_tag(p + 4096 - 16, 9));
  faulted = FAULTS(*across = ~0ul);
  report("across a granule", faulted && caught_address == ((uintptr_t)with_tag(p, 5) + 4096 - 16), faulted);
  report("nothing written", *(uint32_t *)across == 0, *(uint32_t *)across);
  faulted = FAULTS(__atomic_fetch_add((volatile int *)bad, 1, __ATOMIC_SEQ_CST));
  report("atomic", faulted && caught_code == SEGV_MTESERR, faulted);
  uint64_t a, b;
  faulted = FAULTS(__asm__ volatile("ldp %0, %1, [%2]" : "=r"(a), "=r"(b) : "r"(bad) : "memory"));
  report("pair", faulted && caught_code == SEGV_MTESERR, faulted);
  faulted = FAULTS(__asm__ volatile("ld1 {v0.16b, v1.16b}, [%0]" ::"r"(bad) : "v0", "v1", "memory"));
  report("SIMD structure", faulted && caught_code == SEGV_MTESERR, faulted);
  faulted = FAULTS(__asm__ volatile("dc zva, %0" ::"r"(with_tag(p, 6)) : "memory"));
  report("DC ZVA", faulted && caught_code == SEGV_MTESERR && p[100] == 42, faulted);
  uint64_t value;
  __asm__ volatile("msr tco, #1\n ldrb %w0, [%1]\n msr tco, #0" : "=r"(value) : "r"(bad) : "memory");
  report("TCO", value == 42, value);
  __asm__ volatile("mov x9, sp\n mov sp, %1\n ldrb %w0, [sp, #4]\n mov sp, x9"
                   : "=r"(value) : "r"((uintptr_t)(bad + 12 - 16)) : "x9", "memory");
  report("SP with an immediate is not checked", value == 42, value);
  int fds[2];
  if (pipe(fds)) exit(1);
  long n = write(fds[1], (char *)bad, 4);
  report("system call, EFAULT", n == -1 && errno == EFAULT, n);
  n = write(fds[1], p + 100, 4);
  report("system call, right tag", n == 4, n);
}

static void check_async(void) {
  volatile char *p = with_tag(tagged_memory(4096), 3);
  set_tags((char *)p, 4096);
  mode(ASYNC);
  int faulted = FAULTS(with_tag(p, 4)[0] = 7; getppid());
  report("async, SEGV_MTEAERR", faulted && caught_code == SEGV_MTEAERR, faulted);
  report("async, no address", caught_address == 0, 0);
  mode(0);
  report("async, the write was done", p[0] == 7, p[0]);
  report("no mode, no check", with_tag(p, 9)[0] == 7, 0);
}

static void check_random(void) {
  mode(SYNC);
  unsigned long seen = 0;
  for (int k = 0; k < 1000; k++) seen |= 1ul << random_tag();
  report("IRG makes every included tag", seen == 0xfffe, seen);
  prctl(SET_CTRL, ENABLE | SYNC | 0x24ul << 3, 0, 0, 0);
  seen = 0;
  for (int k = 0; k < 1000; k++) seen |= 1ul << random_tag();
  report("IRG keeps to the mask", seen == 0x24, seen);
  report("ADDG too", next_tag(2) == 5, 0);
  unsigned long got = prctl(GET_CTRL, 0, 0, 0, 0);
  report("the control reads back", got == (ENABLE | SYNC | 0x24ul << 3), got);
}

static void check_pages(void) {
  char *p = with_tag(tagged_memory(8192), 5);
  set_tags(p, 8192);
  mode(SYNC);
  p[0] = 1;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    int same = tag_at(p) == 5 && tag_at(p + 4096) == 5;
    set_tag(with_tag(p, 7));
    int faulted = FAULTS(*(volatile char *)p);
    _exit(same && faulted && tag_at(p) == 7 ? 0 : 1);
  }
  int status;
  waitpid(child, &status, 0);
  report("fork copies tags", WIFEXITED(status) && WEXITSTATUS(status) == 0, status);
  report("and parts them", tag_at(p) == 5 && p[0] == 1, tag_at(p));
  mprotect((void *)with_tag(p, 0), 8192, PROT_READ);
  mprotect((void *)with_tag(p, 0), 8192, PROT_READ | PROT_WRITE);
  report("mprotect keeps tags", tag_at(p) == 5 && FAULTS(*(volatile char *)with_tag(p, 1)), tag_at(p));
  char *moved = mremap((void *)with_tag(p, 0), 8192, 16384, MREMAP_MAYMOVE);
  moved = with_tag(moved, 5);
  report("mremap keeps tags", tag_at(moved) == 5 && tag_at(moved + 4096) == 5 && moved[0] == 1, tag_at(moved));
  madvise((void *)with_tag(moved, 0), 4096, MADV_DONTNEED);
  report("MADV_DONTNEED drops them", tag_at(moved) == 0 && tag_at(moved + 4096) == 5, tag_at(moved));
  char line[256];
  int flagged = 0;
  FILE *f = fopen("/proc/self/smaps", "r");
  if (!f) return;
  while (fgets(line, sizeof line, f))
    if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " mt")) flagged = 1;
  report("smaps says mt", flagged, flagged);
}

static void check_huge(void) {
  const size_t huge = 2ul << 20;
  char *base = tagged_memory(2 * huge);
  base = (char *)(((uintptr_t)base + huge - 1) & -huge);
  madvise(base, huge, MADV_HUGEPAGE);
  mode(SYNC);
  char *p = with_tag(base, 11);
  set_tags(p, huge);
  memset(p, 0x5a, huge);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    p[huge - 1] = 1;
    for (size_t k = 0; k < huge; k += 16)
      if (tag_at(base + k) != 11) _exit(1);
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  report("huge page, tags after fork", status == 0, status);
  report("huge page, checked", FAULTS(*(volatile char *)with_tag(p + 12345, 1)) && p[huge - 1] == 0x5a, 0);
}

static void check_ptrace(void) {
  char *p = with_tag(tagged_memory(4096), 5);
  set_tags(p, 64);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    _exit(tag_at(p + 16));
  }
  int status;
  waitpid(child, &status, 0);
  unsigned char tags[8] = {0};
  struct iovec v = {tags, 5};
  void *at = (void *)with_tag(p, 0);
  long done = ptrace(PEEKMTETAGS, child, at, &v);
  report("PEEKMTETAGS", done == 0 && v.iov_len == 5 && tags[0] == 5 && tags[3] == 5 && tags[4] == 0, done);
  tags[0] = 14;
  v.iov_len = 1;
  done = ptrace(POKEMTETAGS, child, (char *)at + 16, &v);
  ptrace(PTRACE_CONT, child, 0, 0);
  waitpid(child, &status, 0);
  report("POKEMTETAGS", done == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 14, status);
}

/* With a swap device and less memory than this wants: pages out and back. */
static void check_swap(void) {
  const size_t size = 256 * 4096;
  char *p = tagged_memory(size);
  for (size_t k = 0; k < size; k += 16) set_tag(with_tag(p + k, (k / 16 * 5) & 15));
  for (size_t k = 0; k < size; k += 4096) p[k] = (char)(k >> 12);
  mode(0);
  const size_t others = 120ul << 20;
  char *q = mmap(NULL, others, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (size_t k = 0; k < others; k += 4096) q[k] = 1;
  unsigned char resident[256];
  mincore(p, size, resident);
  unsigned long in = 0;
  for (int k = 0; k < 256; k++) in += resident[k] & 1;
  report("pages are swapped out", in < 128, in);
  unsigned long bad = 0;
  for (size_t k = 0; k < size; k += 4096) bad += p[k] != (char)(k >> 12);
  for (size_t k = 0; k < size; k += 16) bad += tag_at(p + k) != ((k / 16 * 5) & 15);
  report("swapped in with their tags", bad == 0, bad);
}

int main(int argc, char **argv) {
  (void)argv;
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_EXPOSE};
  sigaction(SIGSEGV, &action, NULL);
  if (mode(SYNC)) {
    perror("PR_SET_TAGGED_ADDR_CTRL");
    return 1;
  }
  if (argc > 1) {
    check_swap();
    return 0;
  }
  check_sync();
  check_async();
  check_random();
  check_pages();
  check_huge();
  check_ptrace();
  puts("end of checks");
  return 0;
}
