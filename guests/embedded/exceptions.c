// Exceptions: interrupts are counted by number; a synchronous exception that a check expects is recorded and stepped
// over; any other ends the guest with its registers.
#include "guest.h"

#define EC(esr) ((esr) >> 26)
#define EC_SVC 0x15

volatile struct fault fault;
static volatile int expected;
volatile u32 irq_seen[MAX_CPUS][1024];

extern void user_return(void);

void expect_fault(void) {
  fault.taken = 0;
  expected = 1;
}

void irq_enable(void) { asm volatile("msr daifclr, #2" ::: "memory"); }
void irq_disable(void) { asm volatile("msr daifset, #2" ::: "memory"); }

static void interrupt(void) {
  for (;;) {
    u32 intid = gic_acknowledge();
    if (intid >= 1020) return;
    irq_seen[cpu_number()][intid]++;
    // The virtual timer's line stays up until it is switched off.
    if (intid == 27) write_reg(cntv_ctl_el0, 2);
    if (intid == 30) write_reg(cntp_ctl_el0, 2);
    gic_end(intid);
  }
}

void handle_exception(u64 vector, struct frame *frame) {
  if ((vector & 3) == 1) {
    interrupt();
    return;
  }
  u64 esr = read_reg(esr_el1);
  if ((vector & 3) == 0 && expected) {
    expected = 0;
    fault.vector = vector;
    fault.esr = esr;
    fault.far = read_reg(far_el1);
    fault.elr = frame->elr;
    fault.spsr = frame->spsr;
    fault.taken = 1;
    if (vector >= 8) {
      // From EL0: the result is in x0; go on where run_at_el0() was called, at EL1 with interrupts masked.
      frame->elr = (u64)user_return;
      frame->spsr = 0x3c5;
    } else if (EC(esr) != EC_SVC) {
      frame->elr += 4;
    }
    return;
  }
  print("\nunexpected exception: vector %u ESR %X FAR %X ELR %X SPSR %x\n", vector, esr, read_reg(far_el1), frame->elr,
        frame->spsr);
  for (int i = 0; i < 31; i++) print("x%u %X%c", (u64)i, frame->x[i], i % 4 == 3 ? '\n' : ' ');
  panic("unexpected exception");
}
