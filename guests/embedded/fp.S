// Floating point and SIMD with known answers, compared bit by bit. Each function returns 0, or which step was wrong.

        .arch   armv8-a
        .macro  expect step, got, want
        .set    word, \want
        movz    x2, #(word & 0xffff)
        movk    x2, #((word >> 16) & 0xffff), lsl #16
        movk    x2, #((word >> 32) & 0xffff), lsl #32
        movk    x2, #((word >> 48) & 0xffff), lsl #48
        mov     x0, #\step
        cmp     \got, x2
        b.ne    9f
        .endm

        .text
        .globl  fp_check
fp_check:
        fmov    d0, #2.0
        fsqrt   d1, d0
        fmov    x1, d1
        expect  1, x1, 0x3ff6a09e667f3bcd
        fmov    d0, #1.0
        fmov    d1, #3.0
        fdiv    d2, d0, d1
        fmov    x1, d2
        expect  2, x1, 0x3fd5555555555555
        fmadd   d3, d2, d1, d0          // 2 - 2^-54, rounded to nearest
        fmov    x1, d3
        expect  3, x1, 0x4000000000000000
        fnmsub  d3, d2, d1, d0          // 3 * (1/3) - 1 is -2^-54, which two roundings lose
        fmov    x1, d3
        expect  4, x1, 0xbc90000000000000
        fcvt    s4, d2
        fmov    w1, s4
        expect  5, x1, 0x3eaaaaab
        mov     x1, #-7
        scvtf   d5, x1
        fcvtzs  x1, d5
        expect  6, x1, 0xfffffffffffffff9
        fmov    d6, xzr
        fdiv    d7, d6, d6              // 0/0 is the default NaN
        fmov    x1, d7
        expect  7, x1, 0x7ff8000000000000
        frintp  d1, d2
        fmov    x1, d1
        expect  8, x1, 0x3ff0000000000000
        mov     x0, #0
9:      ret

        .globl  simd_check
simd_check:
        movi    v0.16b, #1
        movi    v1.16b, #2
        add     v2.16b, v0.16b, v1.16b
        addv    b3, v2.16b
        umov    w1, v3.b[0]
        expect  1, x1, 48
        movz    w1, #0x0304
        movk    w1, #0x0102, lsl #16
        dup     v4.4s, w1
        rev32   v5.16b, v4.16b
        umov    x1, v5.d[1]
        expect  2, x1, 0x0403020104030201
        umull   v6.8h, v2.8b, v2.8b
        umov    x1, v6.d[0]
        expect  3, x1, 0x0009000900090009
        cmeq    v7.16b, v0.16b, v1.16b
        umov    x1, v7.d[0]
        expect  4, x1, 0
        ext     v16.16b, v0.16b, v1.16b, #4
        umov    x1, v16.d[1]
        expect  5, x1, 0x0202020201010101
        movi    v17.4s, #0x80, lsl #24
        sqadd   v18.4s, v17.4s, v17.4s  // saturates
        umov    w1, v18.s[3]
        expect  6, x1, 0x80000000
        fmov    v19.4s, #1.5
        fmul    v20.4s, v19.4s, v19.4s
        umov    w1, v20.s[2]
        expect  7, x1, 0x40100000
        tbl     v21.16b, {v4.16b}, v0.16b
        umov    w1, v21.b[5]
        expect  8, x1, 3
        mov     x0, #0
9:      ret
