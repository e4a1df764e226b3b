/*
 * The reference CPU's end of differential tests: reads machine states and a few A64 instructions on stdin, runs
 * them on the CPU it finds itself on (qemu-aarch64 -cpu max, or real hardware) and writes the states after.
 * Layout of the streams: see client.ts. It knows nothing of what the instructions are.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE_ADDRESS 0x04000000ul /* within reach of a B from the text section */
#define DATA_ADDRESS 0x60000000ul
#define PAGE 4096ul
#define MAX_CODE 64
#define BRK_FILL 0xd4200000u /* brk #0 */

enum { HAS_MEMORY = 1, SAME_CODE = 2 };

struct state {
  uint64_t x[31];
  uint64_t sp;
  uint64_t v[64];
  uint64_t pc; /* out only */
  uint32_t nzcv, fpcr, fpsr, signal;
};

struct request {
  uint32_t flags, count;
  uint32_t code[MAX_CODE];
  struct state state;
};

/* Used by the assembly below by offset. */
struct {
  struct state state;   /* 0 */
  uint64_t host_sp;     /* 792 */
  uint64_t host_tpidr;  /* 800 */
} area __attribute__((aligned(16), used));
_Static_assert(sizeof(struct state) == 792, "offsets in the assembly");

void enter_code(void);
void leave_code(void);
void resume_host(void);

/* TPIDR_EL0 holds X30 for a moment, so that every register including SP belongs to the code under test. */
__asm__(
    ".text\n.p2align 4\n.globl enter_code\nenter_code:\n"
    "  stp x19, x20, [sp, #-160]!\n  stp x21, x22, [sp, #16]\n  stp x23, x24, [sp, #32]\n"
    "  stp x25, x26, [sp, #48]\n  stp x27, x28, [sp, #64]\n  stp x29, x30, [sp, #80]\n"
    "  stp d8, d9, [sp, #96]\n  stp d10, d11, [sp, #112]\n  stp d12, d13, [sp, #128]\n  stp d14, d15, [sp, #144]\n"
    "  adrp x30, area\n  add x30, x30, :lo12:area\n"
    "  mov x0, sp\n  str x0, [x30, #792]\n  mrs x0, tpidr_el0\n  str x0, [x30, #800]\n"
    "  ldr w0, [x30, #776]\n  lsl w0, w0, #28\n  msr nzcv, x0\n"
    "  ldr w0, [x30, #780]\n  msr fpcr, x0\n  ldr w0, [x30, #784]\n  msr fpsr, x0\n"
    "  ldr x0, [x30, #248]\n  mov sp, x0\n"
    "  add x0, x30, #256\n"
    "  ldp q0, q1, [x0]\n  ldp q2, q3, [x0, #32]\n  ldp q4, q5, [x0, #64]\n  ldp q6, q7, [x0, #96]\n"
    "  ldp q8, q9, [x0, #128]\n  ldp q10, q11, [x0, #160]\n  ldp q12, q13, [x0, #192]\n  ldp q14, q15, [x0, #224]\n"
    "  ldp q16, q17, [x0, #256]\n  ldp q18, q19, [x0, #288]\n  ldp q20, q21, [x0, #320]\n  ldp q22, q23, [x0, #352]\n"
    "  ldp q24, q25, [x0, #384]\n  ldp q26, q27, [x0, #416]\n  ldp q28, q29, [x0, #448]\n  ldp q30, q31, [x0, #480]\n"
    "  ldp x0, x1, [x30]\n  ldp x2, x3, [x30, #16]\n  ldp x4, x5, [x30, #32]\n  ldp x6, x7, [x30, #48]\n"
    "  ldp x8, x9, [x30, #64]\n  ldp x10, x11, [x30, #80]\n  ldp x12, x13, [x30, #96]\n  ldp x14, x15, [x30, #112]\n"
    "  ldp x16, x17, [x30, #128]\n  ldp x18, x19, [x30, #144]\n  ldp x20, x21, [x30, #160]\n  ldp x22, x23, [x30, #176]\n"
    "  ldp x24, x25, [x30, #192]\n  ldp x26, x27, [x30, #208]\n  ldp x28, x29, [x30, #224]\n  ldr x30, [x30, #240]\n"
    /* An immediate branch spends no register and leaves BTYPE 0; code_page comes from the linker's command line. */
    "  b code_page\n"
    ".globl leave_code\nleave_code:\n"
    "  msr tpidr_el0, x30\n  adrp x30, area\n  add x30, x30, :lo12:area\n"
    "  stp x0, x1, [x30]\n  stp x2, x3, [x30, #16]\n  stp x4, x5, [x30, #32]\n  stp x6, x7, [x30, #48]\n"
    "  stp x8, x9, [x30, #64]\n  stp x10, x11, [x30, #80]\n  stp x12, x13, [x30, #96]\n  stp x14, x15, [x30, #112]\n"
    "  stp x16, x17, [x30, #128]\n  stp x18, x19, [x30, #144]\n  stp x20, x21, [x30, #160]\n  stp x22, x23, [x30, #176]\n"
    "  stp x24, x25, [x30, #192]\n  stp x26, x27, [x30, #208]\n  stp x28, x29, [x30, #224]\n"
    "  mrs x0, tpidr_el0\n  str x0, [x30, #240]\n  mov x0, sp\n  str x0, [x30, #248]\n"
    "  mrs x0, nzcv\n  lsr w0, w0, #28\n  str w0, [x30, #776]\n"
    "  mrs x0, fpcr\n  str w0, [x30, #780]\n  mrs x0, fpsr\n  str w0, [x30, #784]\n"
    "  add x0, x30, #256\n"
    "  stp q0, q1, [x0]\n  stp q2, q3, [x0, #32]\n  stp q4, q5, [x0, #64]\n  stp q6, q7, [x0, #96]\n"
    "  stp q8, q9, [x0, #128]\n  stp q10, q11, [x0, #160]\n  stp q12, q13, [x0, #192]\n  stp q14, q15, [x0, #224]\n"
    "  stp q16, q17, [x0, #256]\n  stp q18, q19, [x0, #288]\n  stp q20, q21, [x0, #320]\n  stp q22, q23, [x0, #352]\n"
    "  stp q24, q25, [x0, #384]\n  stp q26, q27, [x0, #416]\n  stp q28, q29, [x0, #448]\n  stp q30, q31, [x0, #480]\n"
    ".globl resume_host\nresume_host:\n"
    "  adrp x30, area\n  add x30, x30, :lo12:area\n"
    "  msr fpcr, xzr\n  ldr x0, [x30, #800]\n  msr tpidr_el0, x0\n  ldr x0, [x30, #792]\n  mov sp, x0\n"
    "  ldp x21, x22, [sp, #16]\n  ldp x23, x24, [sp, #32]\n  ldp x25, x26, [sp, #48]\n  ldp x27, x28, [sp, #64]\n"
    "  ldp x29, x30, [sp, #80]\n  ldp d8, d9, [sp, #96]\n  ldp d10, d11, [sp, #112]\n  ldp d12, d13, [sp, #128]\n"
    "  ldp d14, d15, [sp, #144]\n  ldp x19, x20, [sp], #160\n  ret\n");

static uint32_t *const code = (uint32_t *)CODE_ADDRESS;
static uint8_t *const data = (uint8_t *)DATA_ADDRESS;

/* The state at the faulting instruction becomes the result, and the host goes on where leave_code would end. */
static void on_signal(int signal, siginfo_t *info, void *context) {
  (void)info;
  ucontext_t *u = context;
  mcontext_t *m = &u->uc_mcontext;
  struct state *s = &area.state;
  memcpy(s->x, m->regs, sizeof s->x);
  s->sp = m->sp;
  s->pc = m->pc;
  s->nzcv = (uint32_t)m->pstate >> 28;
  s->signal = (uint32_t)signal;
  struct _aarch64_ctx *record = (struct _aarch64_ctx *)m->__reserved;
  while (record->magic && record->magic != FPSIMD_MAGIC)
    record = (struct _aarch64_ctx *)((char *)record + record->size);
  if (record->magic == FPSIMD_MAGIC) {
    struct fpsimd_context *fp = (struct fpsimd_context *)record;
    memcpy(s->v, fp->vregs, sizeof s->v);
    s->fpcr = fp->fpcr;
    s->fpsr = fp->fpsr;
  }
  m->pc = (uint64_t)resume_host;
  m->pstate &= ~0xc00ull; /* BTYPE */
}

static void read_exactly(void *to, size_t size) {
  if (fread(to, 1, size, stdin) != size) exit(1);
}

int main(void) {
  int anywhere = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  if (mmap(code, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, anywhere, -1, 0) != code) return 2;
  if (mmap(data, PAGE, PROT_READ | PROT_WRITE, anywhere, -1, 0) != data) return 2;
  for (size_t k = 0; k < PAGE / 4; k++) code[k] = BRK_FILL;

  static uint8_t alternate[65536];
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  int signals[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGALRM};
  for (size_t k = 0; k < sizeof signals / sizeof *signals; k++) sigaction(signals[k], &action, NULL);

  uint32_t cases;
  read_exactly(&cases, sizeof cases);
  uint32_t written = 0;
  for (uint32_t n = 0; n < cases; n++) {
    struct request request;
    read_exactly(&request, sizeof request);
    if (request.flags & HAS_MEMORY) read_exactly(data, PAGE);
    else memset(data, 0, PAGE);
    /* Rewriting code makes the emulator translate it anew, so that is done only where it differs. */
    if (!(request.flags & SAME_CODE)) {
      for (uint32_t k = 0; k < request.count; k++) code[k] = request.code[k];
      int64_t back = (int64_t)(uint64_t)leave_code - (int64_t)(uint64_t)(code + request.count);
      code[request.count] = 0x14000000u | ((uint32_t)(back >> 2) & 0x3ffffffu);
      for (uint32_t k = request.count + 1; k <= written; k++) code[k] = BRK_FILL;
      written = request.count;
      __builtin___clear_cache((char *)code, (char *)(code + MAX_CODE + 1));
    }
    area.state = request.state;
    area.state.signal = 0;
    area.state.pc = (uint64_t)(code + request.count);
    alarm(2);
    enter_code();
    fwrite(&area.state, 1, sizeof area.state, stdout);
    if (request.flags & HAS_MEMORY) fwrite(data, 1, PAGE, stdout);
  }
  return 0;
}
