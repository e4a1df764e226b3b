// Lines with aliases in every shape, for comparison with binutils.

export const ALIAS_LINES: readonly string[] = `
mov x0, x1
mov sp, x3
mov x3, sp
mov w1, #0x10000
mov x1, #-1
mov x2, #0xffff0000ffff0000
mov x5, 123
mov w7, #0xaaaaaaaa
mov v0.16b, v1.16b
mov w0, v1.s[1]
mov x0, v1.d[1]
mov v1.b[3], w2
mov s0, v1.s[2]
mov v1.s[0], v2.s[3]
mvn x0, x1
mvn w3, w4, lsl #3
mvn v0.8b, v1.8b
neg x0, x1
neg x0, x1, asr #2
negs w1, w2
ngc x1, x2
cmp x0, #3
cmp x0, x1
cmp x0, x1, lsl #3
cmp sp, x1
cmp w1, w2, uxtb
cmp x1, w2, sxtw #2
cmp x0, #-5
cmn w3, #4
tst x0, #0xff
tst w1, w2
add sp, sp, #-16
add x0, x1, x2
add x0, sp, x2
sub sp, sp, x3
add x0, x1, #4096
adds x0, x1, #-7
add x0, x1, x2, lsl #4
add x1, x2, w3, uxtw #2
mul x0, x1, x2
mneg w0, w1, w2
smull x0, w1, w2
umull x0, w1, w2
lsl x0, x1, #3
lsl x0, x1, x2
lsr w0, w1, #31
asr x0, x1, #63
ror x0, x1, #7
ror w1, w2, w3
sbfx x0, x1, #3, #4
ubfx w0, w1, #5, #6
bfi x0, x1, #3, #4
bfxil x0, x1, #4, #8
sbfiz x0, x1, #2, #3
ubfiz w0, w1, #2, #3
sxtb x0, w1
sxth w0, w1
sxtw x0, w3
uxtb w0, w1
uxth w2, w3
cinc x0, x1, eq
cneg w0, w1, hs
cset w0, ne
csetm x0, lo
cinv x0, x1, lt
nop
yield
wfi
bti c
bti jc
csdb
ret
isb
dsb ish
dmb sy
clrex
eret
svc #0
brk #1
ldr x0, [x1, #-8]
ldr x0, [x1, #8]
str w0, [x1, #3]
ldrb w0, [x1, x2]
ldrb w0, [x1, x2, lsl #0]
ldr x0, [x1], #8
str x0, [sp, #-16]!
ldp x29, x30, [sp], #16
stp q0, q1, [x0, #32]
ldrsw x0, [x1, w2, sxtw #2]
ldr q0, [x1, #-16]
mrs x0, midr_el1
msr tpidr_el0, x1
msr daifset, #2
mrs x1, s3_0_c1_c0_1
dc civac, x0
dc zva, x3
ic ialluis
tlbi vmalle1is
tlbi vae1is, x0
at s1e1r, x2
msr spsel, #1
msr pan, #0
ldadd x0, x1, [x2]
stadd w0, [x1]
casal x0, x1, [x2]
stxr w0, x1, [x2]
ldaxr w1, [sp]
fmov d0, #1.0
fmov s1, #0.5
fmov v0.2d, #-2
fcvtzs x0, d1
scvtf d0, x1
fadd v0.4s, v1.4s, v2.4s
movi v0.2d, #0
ld1 {v0.16b, v1.16b}, [x0]
ld1 { v0.4s - v3.4s }, [x0], #64
ld4 {v0.b,v1.b,v2.b,v3.b}[3], [x1]
fcmp d0, #0.0
ushr v0.4s, v1.4s, #3
sxtl v0.4s, v1.4h
dup v0.4s, w1
cbz x0, .+8
b.ne .-4
tbz w0, #3, .+16
adr x0, .
and x0, x1, #0xff
orr w0, w1, #1
extr x0, x1, x2, #3
pacia x0, sp
ldr h0, [x1, #2]
fmov x0, d1
fcsel d0, d1, d2, gt
ccmp x0, #1, #4, ne
sys #0, c7, c1, #0
strb w0, [x1, #-1]
strh w0, [x1, #-1]
ldrsb x0, [x1, #-1]
ldrsh w0, [x1, #1]
ldrsw x0, [x1, #-4]
prfm pldl1keep, [x1, #-8]
uxtl v0.8h, v1.8b
uxtl2 v0.8h, v1.16b
sxtl2 v0.2d, v1.4s
bfc x0, #3, #4
ngcs w1, w2
umnegl x0, w1, w2
smnegl x0, w1, w2
stsetl x0, [x1]
stumaxb w0, [sp]
cmp w1, w2, sxth #1
cmp sp, #16
cmn x1, #-3
adds x0, sp, x1
subs x0, x1, w2, uxth
mov w0, wsp
mov x0, #0x1234000000000000
mov w0, #0xffffffff
mov x3, #0xffffffffffff1234
mov w3, #-2
tst x0, x1, lsr #3
rev64 x0, x1
ssbb
pssbb
esb
psb csync
dgh
ic ivau, x3
dc cvac, x3
tlbi aside1is, x9
at s1e0w, x1
dc cgdvac, x1
mvn w0, w1
mul v0.4s, v1.4s, v2.4s
ldr q1, [x2, #3]
ld1r {v0.2d}, [x1], #8
st2 {v31.8h, v0.8h}, [x3]
tbl v0.8b, {v1.16b, v2.16b}, v3.8b
b.hs .+8
b.lo .-8
bic x0, x1, #1
mov x0, #(1 << 20)
and x0, x1, #~0xff
`
  .trim()
  .split('\n');
