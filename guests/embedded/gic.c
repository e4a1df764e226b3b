// GICv3 (IHI 0069) through system registers, and GICv2 (IHI 0048); group 1, non-secure, one priority.
#include "guest.h"

#define GICD_CTLR 0x000
#define GICD_IGROUPR 0x080
#define GICD_ISENABLER 0x100
#define GICD_ICENABLER 0x180
#define GICD_ISPENDR 0x200
#define GICD_IPRIORITYR 0x400
#define GICD_ITARGETSR 0x800
#define GICD_ICFGR 0xc00
#define GICD_SGIR 0xf00
#define GICD_IROUTER 0x6000
#define GICR_WAKER 0x014
#define GICR_SGI 0x10000
#define GICR_STRIDE 0x20000
#define GICC_CTLR 0x00
#define GICC_PMR 0x04
#define GICC_IAR 0x0c
#define GICC_EOIR 0x10

#define ICC_PMR s3_0_c4_c6_0
#define ICC_IAR1 s3_0_c12_c12_0
#define ICC_EOIR1 s3_0_c12_c12_1
#define ICC_SGI1R s3_0_c12_c11_5
#define ICC_SRE s3_0_c12_c12_5
#define ICC_IGRPEN1 s3_0_c12_c12_7
#define read_icc_(name) read_reg(name)
#define read_icc(name) read_icc_(name)
#define write_icc_(name, value) write_reg(name, value)
#define write_icc(name, value) write_icc_(name, value)

static u64 affinity(void) { return read_reg(mpidr_el1) & 0xff00ffffffUL; }

int cpu_number(void) {
  u64 me = affinity();
  for (int i = 0; i < board.cpus; i++)
    if (board.mpidr[i] == me) return i;
  return 0;
}

// The redistributor whose GICR_TYPER names this CPU.
static u64 redistributor(void) {
  u64 me = affinity(), want = (me & 0xffffff) | ((me >> 32) << 24);
  for (u64 at = board.gic_other;; at += GICR_STRIDE) {
    if (load32(at + 12) == want) return at;
    if (load32(at + 8) & (1 << 4)) return board.gic_other;
  }
}

static u64 frame_of(u32 intid) {
  return board.gic_version == 3 && intid < 32 ? redistributor() + GICR_SGI : board.gic_distributor;
}

void gic_init(void) {
  u64 d = board.gic_distributor;
  store32(d + GICD_CTLR, 0);
  for (u32 i = 32; i < 256; i += 32) store32(d + GICD_IGROUPR + i / 8, board.gic_version == 3 ? ~0U : 0);
  for (u32 i = 32; i < 256; i += 4) store32(d + GICD_IPRIORITYR + i, 0xa0a0a0a0);
  store32(d + GICD_CTLR, board.gic_version == 3 ? 0x12 : 1); // affinity routing and group 1; or the one group
}

void gic_cpu_init(void) {
  if (board.gic_version == 3) {
    u64 r = redistributor();
    store32(r + GICR_WAKER, load32(r + GICR_WAKER) & ~2U);
    while (load32(r + GICR_WAKER) & 4) {
    }
    store32(r + GICR_SGI + GICD_IGROUPR, ~0U);
    for (u32 i = 0; i < 32; i += 4) store32(r + GICR_SGI + GICD_IPRIORITYR + i, 0xa0a0a0a0);
    write_icc(ICC_SRE, 7);
    isb();
    write_icc(ICC_PMR, 0xff);
    write_icc(ICC_IGRPEN1, 1);
    isb();
  } else {
    for (u32 i = 0; i < 32; i += 4) store32(board.gic_distributor + GICD_IPRIORITYR + i, 0xa0a0a0a0);
    store32(board.gic_other + GICC_PMR, 0xff);
    store32(board.gic_other + GICC_CTLR, 1);
  }
}

void gic_enable(u32 intid) {
  u64 f = frame_of(intid);
  if (intid >= 32) {
    if (board.gic_version == 3) {
      *(volatile u64 *)(f + GICD_IROUTER + intid * 8UL) = board.mpidr[0];
    } else {
      store8(f + GICD_ITARGETSR + intid, 1);
    }
    u64 config = f + GICD_ICFGR + intid / 16 * 4;
    store32(config, load32(config) | (2U << (intid % 16 * 2))); // edge: stays pending until taken
  }
  store32(f + GICD_ISENABLER + intid / 32 * 4, 1U << (intid % 32));
}

void gic_disable(u32 intid) { store32(frame_of(intid) + GICD_ICENABLER + intid / 32 * 4, 1U << (intid % 32)); }

void gic_set_pending(u32 intid) { store32(frame_of(intid) + GICD_ISPENDR + intid / 32 * 4, 1U << (intid % 32)); }

static u32 acknowledged[MAX_CPUS];

u32 gic_acknowledge(void) {
  if (board.gic_version == 3) return (u32)read_icc(ICC_IAR1) & 0xffffff;
  // A GICv2 SGI carries its sender, which the end-of-interrupt write must repeat.
  u32 value = load32(board.gic_other + GICC_IAR);
  acknowledged[cpu_number()] = value;
  return value & 0x3ff;
}

void gic_end(u32 intid) {
  if (board.gic_version == 3) write_icc(ICC_EOIR1, intid);
  else store32(board.gic_other + GICC_EOIR, acknowledged[cpu_number()]);
}

void gic_send_sgi(int cpu, u32 intid) {
  dsb();
  if (board.gic_version == 3) {
    u64 to = board.mpidr[cpu];
    u64 aff123 = ((to >> 8 & 0xff) << 16) | ((to >> 16 & 0xff) << 32) | ((to >> 32 & 0xff) << 48);
    write_icc(ICC_SGI1R, aff123 | ((u64)intid << 24) | (1UL << (to & 0xf)));
    isb();
  } else {
    store32(board.gic_distributor + GICD_SGIR, (1U << (16 + cpu)) | intid);
  }
}
