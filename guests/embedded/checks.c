// What the guest exercises, one line each; and its main program.
#include "guest.h"

#define EC(esr) ((esr) >> 26)
#define FSC(esr) ((esr) & 0x3f)

int failed_checks, passed_checks;

void result(const char *name, int ok, const char *format, ...) {
  u64 length = 0;
  print("%s", name);
  while (name[length]) length++;
  for (; length < 14; length++) print(" ");
  __builtin_va_list args;
  __builtin_va_start(args, format);
  vprint(format, args);
  __builtin_va_end(args);
  print(ok ? ": ok\n" : ": FAILED\n");
  if (ok) passed_checks++;
  else failed_checks++;
}

void panic(const char *why) {
  irq_disable();
  // The words that a Linux kernel would use, for whoever watches the console.
  print("Kernel panic - not syncing: %s\n---[ end Kernel panic - not syncing: %s ]---\n", why, why);
  if (has_word(board.bootargs, "panic=reset")) reset();
  for (;;) {
  }
}

u64 now_us(void) {
  u64 frequency = read_reg(cntfrq_el0);
  isb();
  u64 count = read_reg(cntvct_el0);
  return count / frequency * 1000000 + count % frequency * 1000000 / frequency;
}

static void check_cpu(void) {
  u64 midr = read_reg(midr_el1), mmfr0 = read_reg(id_aa64mmfr0_el1);
  u64 isar0 = read_reg(id_aa64isar0_el1), pfr0 = read_reg(id_aa64pfr0_el1), pfr1 = read_reg(id_aa64pfr1_el1);
  static const u8 bits[] = {32, 36, 40, 42, 44, 48, 52, 56};
  u64 range = mmfr0 & 0xf;
  result("cpu", (pfr0 & 0xf) >= 1, "MIDR %x, EL%u, %u address bits, granules%s%s%s", midr, read_reg(CurrentEL) >> 2,
         (u64)(range < 8 ? bits[range] : 0), (mmfr0 >> 28 & 0xf) == 0xf ? "" : " 4K",
         (mmfr0 >> 20 & 0xf) == 0 ? "" : " 16K", (mmfr0 >> 24 & 0xf) == 0xf ? "" : " 64K");
  print("  features:%s%s%s%s%s%s%s%s%s%s\n", (pfr0 >> 16 & 0xf) == 0xf ? "" : " fp", (pfr0 >> 20 & 0xf) == 0xf ? "" : " simd",
        (isar0 >> 4 & 0xf) ? " aes" : "", (isar0 >> 12 & 0xf) ? " sha2" : "", (isar0 >> 16 & 0xf) ? " crc32" : "",
        (isar0 >> 20 & 0xf) ? " lse" : "", (isar0 >> 60) ? " rng" : "", (pfr1 & 0xf) ? " bti" : "",
        (pfr1 >> 8 & 0xf) >= 2 ? " mte" : "", (read_reg(id_aa64isar1_el1) & 0xff0) ? " pauth" : "");
}

static void check_memory(void) {
  const u64 bytes = 1 << 20;
  u64 base = free_memory(bytes), wrong = 0;
  volatile u64 *words = (u64 *)base;
  for (u64 i = 0; i < bytes / 8; i++) words[i] = (base + i * 8) * 0x9e3779b97f4a7c15UL;
  for (u64 i = 0; i < bytes / 8; i++) wrong += words[i] != (base + i * 8) * 0x9e3779b97f4a7c15UL;
  for (u64 i = 0; i < bytes / 8; i++) words[i] = ~words[i];
  for (u64 i = 0; i < bytes / 8; i++) wrong += words[i] != ~((base + i * 8) * 0x9e3779b97f4a7c15UL);
  words[0] = 0x8877665544332211UL;
  wrong += load8(base + 3) != 0x44 || load16(base + 2) != 0x4433 || load32(base + 4) != 0x88776655;
  words[1] = 0x00ffeeddccbbaa99UL;
  wrong += *(volatile u32 *)(base + 6) != 0xaa998877; // not aligned
  result("memory", wrong == 0, "%u KiB of patterns at %x, %u wrong", bytes >> 10, base, wrong);
}

static void check_mmu(void) {
  u64 a = free_page(), b = free_page();
  volatile u64 *first = (u64 *)window, *second = (u64 *)(window + PAGE);
  window_map(0, a, MAP_RW);
  window_map(1, a, MAP_RW);
  first[7] = 0x1234;
  int aliased = second[7] == 0x1234 && load32(a + 56) == 0x1234;
  window_map(1, b, MAP_RW);
  *(volatile u64 *)(b + 56) = 0x5678;
  int remapped = second[7] == 0x5678 && first[7] == 0x1234;
  result("mmu", aliased && remapped, "caches on, one page at two addresses, then remapped");

  window_map(0, a, MAP_RO);
  expect_fault();
  first[7] = 1;
  int permission = fault.taken && EC(fault.esr) == 0x25 && FSC(fault.esr) == 0x0f && (fault.esr >> 6 & 1) &&
                   fault.far == (u64)&first[7] && load32(a + 56) == 0x1234;
  result("read-only", permission, "a store gives ESR %x, FAR %x", fault.esr, fault.far);
  window_unmap(0);
  expect_fault();
  (void)first[9];
  int translation = fault.taken && EC(fault.esr) == 0x25 && FSC(fault.esr) == 0x07 && !(fault.esr >> 6 & 1) &&
                    fault.far == (u64)&first[9];
  result("unmapped", translation, "a load gives ESR %x, FAR %x", fault.esr, fault.far);
  u64 at;
  asm volatile("at s1e1r, %1\n\tisb\n\tmrs %0, par_el1" : "=r"(at) : "r"(window + PAGE + 56));
  result("translate", !(at & 1) && (at & 0xfffffffff000UL) == b, "AT S1E1R finds %x", at & 0xfffffffff000UL);
}

static void check_exceptions(void) {
  expect_fault();
  asm volatile("svc #0x123");
  int svc = fault.taken && EC(fault.esr) == 0x15 && (fault.esr & 0xffff) == 0x123;
  result("svc", svc, "from EL1, ESR %x", fault.esr);
  expect_fault();
  asm volatile("brk #0x42");
  result("brk", fault.taken && EC(fault.esr) == 0x3c && (fault.esr & 0xffff) == 0x42, "ESR %x", fault.esr);
  expect_fault();
  asm volatile(".inst 0");
  result("undefined", fault.taken && EC(fault.esr) == 0, "ESR %x", fault.esr);

  u64 page = free_page(), bytes = (u64)(user_code_end - user_code);
  for (u64 i = 0; i < bytes; i++) store8(page + i, (u8)user_code[i]);
  clean_for_execution(page, bytes);
  window_map(2, page, MAP_USER_CODE);
  expect_fault();
  u64 answer = run_at_el0(window + 2 * PAGE, 21);
  int el0 = fault.taken && answer == 42 && EC(fault.esr) == 0x15 && (fault.esr & 0xffff) == 0x77 && fault.vector == 8 &&
            (fault.spsr & 0xf) == 0;
  result("el0", el0, "svc from EL0, result %u", answer);
}

#define TCF_SYNC (1UL << 40)
#define ATA (1UL << 43)
#define TBI0 (1UL << 37)
#define TAG(n) ((u64)(n) << 56)
#define WITHOUT_TAG (TAG(1) - 1)

// Memory tagging (Arm ARM D10): a load through a pointer with another tag than the memory's is a synchronous fault.
static void check_tags(void) {
  if ((read_reg(id_aa64pfr1_el1) >> 8 & 0xf) < 2) return;
  u64 sctlr = read_reg(sctlr_el1), tcr = read_reg(tcr_el1);
  u64 plain = window + 3 * PAGE, tagged = plain | TAG(5), read_back = plain;
  window_map(3, free_page(), MAP_TAGGED);
  write_reg(tcr_el1, tcr | TBI0);
  write_reg(sctlr_el1, sctlr | TCF_SYNC | ATA);
  isb();
  asm volatile(".arch armv8.5-a+memtag\n\tmsr tco, #0\n\tstg %1, [%1]\n\tldg %0, [%1]"
               : "+r"(read_back)
               : "r"(tagged)
               : "memory");
  *(volatile u64 *)tagged = 0x1234;
  int matches = read_back == tagged && *(volatile u64 *)tagged == 0x1234;
  expect_fault();
  (void)*(volatile u64 *)plain;
  int differs = fault.taken && EC(fault.esr) == 0x25 && FSC(fault.esr) == 0x11 && (fault.far & WITHOUT_TAG) == plain;
  write_reg(sctlr_el1, sctlr);
  write_reg(tcr_el1, tcr);
  isb();
  window_unmap(3);
  result("tags", matches && differs, "tag 5 is kept, a load with tag 0 gives ESR %x", fault.esr);
}

static void check_fp(void) {
  u64 fp = fp_check(), simd = simd_check();
  result("fp", fp == 0, "sqrt, division, fused multiply-add, conversions (%u)", fp);
  result("simd", simd == 0, "integer, float and table lanes (%u)", simd);
}

static void check_timer(void) {
  u64 frequency = read_reg(cntfrq_el0);
  irq_seen[0][27] = 0;
  gic_enable(27);
  irq_enable();
  u64 from = now_us();
  write_reg(cntv_tval_el0, frequency / 200); // 5 ms
  write_reg(cntv_ctl_el0, 1);
  while (!irq_seen[0][27] && now_us() < from + 5000000) asm volatile("wfi");
  u64 took = now_us() - from;
  irq_disable();
  write_reg(cntv_ctl_el0, 0);
  result("timer", irq_seen[0][27] == 1 && took >= 4999, "%u Hz, an alarm of 5 ms rings as interrupt 27", frequency);

  irq_seen[0][30] = 0;
  gic_enable(30);
  irq_enable();
  from = now_us();
  write_reg(cntp_tval_el0, frequency / 1000);
  write_reg(cntp_ctl_el0, 1);
  while (!irq_seen[0][30] && now_us() < from + 5000000) asm volatile("wfi");
  irq_disable();
  write_reg(cntp_ctl_el0, 0);
  gic_disable(30);
  result("timer 2", irq_seen[0][30] == 1, "the physical timer rings as interrupt 30");
}

#define SPARE_SPI 100

static void check_interrupts(void) {
  gic_enable(SPARE_SPI);
  gic_set_pending(SPARE_SPI);
  irq_enable();
  u64 end = now_us() + 1000000;
  while (!irq_seen[0][SPARE_SPI] && now_us() < end) {
  }
  gic_enable(5);
  gic_send_sgi(0, 5);
  while (!irq_seen[0][5] && now_us() < end) {
  }
  irq_disable();
  gic_disable(SPARE_SPI);
  result("interrupts", irq_seen[0][SPARE_SPI] == 1 && irq_seen[0][5] == 1, "GICv%u, a shared one and one to itself",
         (u64)board.gic_version);
}

void run_checks(void) {
  failed_checks = passed_checks = 0;
  check_cpu();
  check_mmu();
  check_memory();
  check_exceptions();
  check_tags();
  check_fp();
  if (board.gic_version) {
    check_interrupts();
    check_timer();
    check_smp();
  }
  check_virtio_mmio();
  check_pci();
  print("%u checks passed, %u failed\n", (u64)passed_checks, (u64)failed_checks);
}

void guest_main(const void *tree) {
  // Without a console nothing can be said; the virt board's is where it always is.
  int understood = tree_read(tree);
  console_init(board.uart ? board.uart : 0x09000000);
  print("\nRingfence embedded guest, %u MiB at %x, %u CPU(s)\n", board.memory_size >> 20, board.memory, (u64)board.cpus);
  if (!understood || !board.memory_size) panic("no device tree at x0");
  mmu_init();
  mmu_on();
  if (board.gic_version) {
    gic_init();
    gic_cpu_init();
  }
  run_checks();
  if (!has_word(board.bootargs, "auto")) monitor();
  if (failed_checks) panic("checks failed");
  power_off();
}
