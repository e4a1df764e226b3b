/*
 * A program that makes code and runs it, as the compilers of language runtimes do: fresh random functions in place of
 * old ones, with the cache maintenance that the architecture asks for, each checked against what it must compute.
 *
 *   jit-user rwx|mprotect|twice FUNCTIONS ROUNDS
 *
 * rwx: memory that may be written and executed; mprotect: first the one, then the other; twice: a mapping for each.
 * Each function is a loop; it runs for a few rounds, which are checked, then for ROUNDS, which make it hot, then for the
 * few again. Built by programs.ts. Prints "N functions, 0 wrong".
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOT 128u
#define SLOTS 8192u
#define POOL ((size_t)SLOT * SLOTS)
/* Functions between two changes of the pool's protection. */
#define BATCH 64u
/* Rounds whose result is checked: more would only run the checker. */
#define CHECKED 8u

typedef uint64_t (*function)(uint64_t x, uint64_t rounds);

static uint64_t state = 88172645463325252ull;

static uint32_t random32(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 16);
}

static uint8_t *writable, *executable;

static void *map(int protection, int flags, int file) {
  void *p = mmap(NULL, POOL, protection, flags, file, 0);
  if (p == MAP_FAILED) {
    perror("mmap");
    exit(1);
  }
  return p;
}

static void make_pool(const char *how) {
  if (strcmp(how, "twice") == 0) {
    int file = memfd_create("pool", 0);
    if (file < 0 || ftruncate(file, POOL) < 0) {
      perror("memfd_create");
      exit(1);
    }
    writable = map(PROT_READ | PROT_WRITE, MAP_SHARED, file);
    executable = map(PROT_READ | PROT_EXEC, MAP_SHARED, file);
    return;
  }
  int protection = PROT_READ | PROT_WRITE | (strcmp(how, "rwx") == 0 ? PROT_EXEC : 0);
  writable = executable = map(protection, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* One step of a function: its encoding, and what it does to x0; x2 is a constant. */
static uint32_t step(uint32_t kind, uint32_t imm) {
  switch (kind) {
    case 0: return 0x91000000u | imm << 10;            /* add x0, x0, #imm */
    case 1: return 0xca020000u;                        /* eor x0, x0, x2 */
    case 2: return 0x93c00000u | (imm & 63) << 10;     /* ror x0, x0, #imm */
    case 3: return 0x8b020000u | (imm & 15) << 10;     /* add x0, x0, x2, lsl #imm */
    default: return 0x9b027c00u;                       /* mul x0, x0, x2 */
  }
}
static uint64_t stepped(uint32_t kind, uint32_t imm, uint64_t x, uint64_t c) {
  uint32_t by = imm & 63;
  switch (kind) {
    case 0: return x + imm;
    case 1: return x ^ c;
    case 2: return by ? x >> by | x << (64 - by) : x;
    case 3: return x + (c << (imm & 15));
    default: return x * c;
  }
}

#define STEPS 8u
struct plan {
  uint32_t constant, steps, kinds[STEPS], imms[STEPS];
};

static void write_function(uint32_t slot, const struct plan *p) {
  uint32_t code[SLOT / 4], n = 0;
  code[n++] = 0xd2800002u | (p->constant & 0xffff) << 5; /* movz x2, #constant */
  for (uint32_t k = 0; k < p->steps; k++) code[n++] = step(p->kinds[k], p->imms[k]);
  code[n++] = 0xf1000421u;                                                /* subs x1, x1, #1 */
  code[n++] = 0x54000001u | ((uint32_t)(-(int32_t)(p->steps + 1)) & 0x7ffffu) << 5; /* b.ne */
  code[n++] = 0xd65f03c0u;                                                /* ret */
  memcpy(writable + slot * SLOT, code, n * 4);
  __builtin___clear_cache((char *)executable + slot * SLOT, (char *)executable + slot * SLOT + n * 4);
}

static void protect(int protection) {
  if (mprotect(writable, POOL, protection) < 0) {
    perror("mprotect");
    exit(1);
  }
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  unsigned long functions = strtoul(argv[2], NULL, 10), rounds = strtoul(argv[3], NULL, 10), wrong = 0;
  int toggles = strcmp(argv[1], "mprotect") == 0;
  state ^= (uint64_t)getpid() << 32;
  make_pool(argv[1]);
  static struct plan plans[BATCH];
  for (unsigned long done = 0; done < functions; done += BATCH) {
    if (toggles) protect(PROT_READ | PROT_WRITE);
    for (uint32_t k = 0; k < BATCH; k++) {
      struct plan *p = &plans[k];
      p->constant = random32() | 1;
      p->steps = 1 + random32() % STEPS;
      for (uint32_t s = 0; s < p->steps; s++) {
        p->kinds[s] = random32() % 5;
        p->imms[s] = random32() & 0xfff;
      }
      write_function((uint32_t)(done + k) % SLOTS, p);
    }
    if (toggles) protect(PROT_READ | PROT_EXEC);
    for (uint32_t k = 0; k < BATCH; k++) {
      const struct plan *p = &plans[k];
      uint64_t x = random32(), expected = x, c = p->constant & 0xffff;
      function f = (function)(uintptr_t)(executable + (uint32_t)(done + k) % SLOTS * SLOT);
      for (uint32_t r = 0; r < CHECKED; r++)
        for (uint32_t s = 0; s < p->steps; s++) expected = stepped(p->kinds[s], p->imms[s], expected, c);
      if (f(x, CHECKED) != expected) wrong++;
      f(x, rounds);
      if (f(x, CHECKED) != expected) wrong++;
    }
  }
  printf("%lu functions, %lu wrong\n", functions, wrong);
  return wrong != 0;
}
