/*
 * Runs single tag instructions on the CPU it finds itself on (qemu-aarch64 -cpu max): reads an instruction, the tags that
 * IRG and ADDG exclude and X0..X3, and writes X0..X3, NZCV, the signal, and the page's tags and bytes after it. Before
 * each, tags and bytes are a pattern (cases.ts). The page is at PAGE_ADDRESS, mapped with PROT_MTE, unchecked.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define PAGE_ADDRESS 0x60000000ul
#define CODE_ADDRESS 0x61000000ul
#define PAGE 4096

struct request {
  uint32_t word, exclude;
  uint64_t x[4];
};
struct response {
  uint64_t x[4];
  uint32_t nzcv, signal;
  uint8_t tags[PAGE / 16], data[PAGE];
};

static sigjmp_buf back;
static void on_signal(int signal) { siglongjmp(back, signal); }

static void run(uint64_t *x, uint64_t *nzcv) {
  register uint64_t x0 __asm__("x0") = x[0], x1 __asm__("x1") = x[1];
  register uint64_t x2 __asm__("x2") = x[2], x3 __asm__("x3") = x[3];
  uint64_t flags;
  __asm__ volatile("msr nzcv, xzr\n blr %5\n mrs %4, nzcv"
                   : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "=&r"(flags)
                   : "r"(CODE_ADDRESS)
                   : "x30", "cc", "memory");
  x[0] = x0, x[1] = x1, x[2] = x2, x[3] = x3;
  *nzcv = flags;
}

int main(void) {
  int fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  uint8_t *page = mmap((void *)PAGE_ADDRESS, PAGE, PROT_READ | PROT_WRITE | 0x20, fixed, -1, 0);
  uint32_t *code = mmap((void *)CODE_ADDRESS, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, fixed, -1, 0);
  if (page == MAP_FAILED || code == MAP_FAILED) return 2;
  int signals[] = {SIGILL, SIGSEGV, SIGBUS};
  for (int k = 0; k < 3; k++) signal(signals[k], on_signal);
  struct request request;
  while (fread(&request, sizeof request, 1, stdin) == 1) {
    struct response response = {0};
    if (prctl(55, 1ul | (uint64_t)(~request.exclude & 0xffff) << 3, 0, 0, 0)) return 3;
    for (uint64_t k = 0; k < PAGE / 16; k++)
      __asm__ volatile("stg %0, [%1]" ::"r"((k * 7 & 15) << 56), "r"(page + 16 * k) : "memory");
    for (int k = 0; k < PAGE; k++) page[k] = (uint8_t)(k * 31 + 1);
    code[0] = request.word;
    code[1] = 0xd65f03c0; /* ret */
    __builtin___clear_cache((char *)code, (char *)(code + 2));
    memcpy(response.x, request.x, sizeof response.x);
    uint64_t nzcv = 0;
    int caught = sigsetjmp(back, 1);
    if (caught) response.signal = (uint32_t)caught;
    else run(response.x, &nzcv);
    response.nzcv = (uint32_t)nzcv >> 28;
    for (uint64_t k = 0; k < PAGE / 16; k++) {
      uint64_t at = PAGE_ADDRESS + 16 * k;
      __asm__ volatile("ldg %0, [%0]" : "+r"(at)::"memory");
      response.tags[k] = at >> 56 & 15;
    }
    memcpy(response.data, page, PAGE);
    fwrite(&response, sizeof response, 1, stdout);
  }
  return 0;
}
