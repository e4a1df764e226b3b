;; scalar floating point
;;   ldr d0, [x1]
;;   fadd d2, d0, d1
;;   fneg d2, d2
;;   fmul d2, d2, d0
;;   str d2, [x1]
;;   ret
  (func $r0 (export "r0") (type $t3) (param $cpu i32) (param $budget i32) (result i32)
    (local $l2 i32) (local $l3 i64) (local $l4 i32) (local $l5 i32) (local $l6 i64) (local $l7 f64) (local $l8 f64) (local $l9 f64) (local $l10 f64) (local $l11 f64) (local $l12 f64) (local $l13 f64) (local $l14 f64) (local $l15 f64) (local $l16 f64) (local $l17 f64) (local $l18 f64) (local $l19 i64) (local $l20 i32) (local $l21 i32) (local $l22 i64) (local $l23 i32) (local $l24 i32) (local $l25 i64) (local $l26 i64) (local $l27 v128) (local $l28 v128) (local $l29 i32) (local $l30 i32) (local $l31 f64) (local $l32 v128) (local $l33 f64) (local $l34 i64)
    (local.set $l23
      (i32.sub
        (i32.load
          (i32.const 12288))
        (i32.const 1)))
    (i32.store
      (i32.const 12288)
      (local.get $l23))
    (if $I0
      (i32.eqz
        (local.get $l23))
      (then
        (return_call $f.hot
          (local.get $cpu)
          (i32.const 131072)
          (local.get $budget))))
    (local.set $l24
      (local.get $budget))
    (local.set $l25
      (i64.load offset=8 ;; X1
        (local.get $cpu)))
    (local.set $l26
      (i64.load offset=240 ;; X30
        (local.get $cpu)))
    (local.set $l27
      (v128.load offset=272 ;; V0
        (local.get $cpu)))
    (local.set $l28
      (v128.load offset=288 ;; V1
        (local.get $cpu)))
    (local.set $l29
      (i32.load offset=884 ;; tlb
        (local.get $cpu)))
    (block $B1
      (block $B2
        (block $B3
          (block $B4
            (local.set $l24
              (i32.sub
                (local.get $l24)
                (i32.const 6)))
            (local.set $l30
              (i32.const 0))
            (br_if $B4
              (i32.lt_s
                (local.get $l24)
                (i32.const 0)))
            (local.set $l30
              (i32.const 0))
            (br_if $B4
              (i32.load offset=864 ;; fpTrapped
                (local.get $cpu)))
            (local.set $l21
              (i32.wrap_i64
                (local.tee $l22
                  (local.get $l25))))
            (local.set $l20
              (i32.add
                (local.get $l29)
                (i32.shl
                  (i32.and
                    (i32.add
                      (i32.shr_u
                        (local.get $l21)
                        (i32.const 12))
                      (i32.shr_u
                        (local.get $l21)
                        (i32.const 22)))
                    (i32.const 16383))
                  (i32.const 5))))
            (if $I5
              (i64.ne
                (local.tee $l19
                  (i64.xor
                    (i64.and
                      (i64.add
                        (local.get $l22)
                        (i64.const 7))
                      (i64.const -4096))
                    (i64.load
                      (local.get $l20))))
                (i64.const 0))
              (then
                (local.set $l30
                  (i32.const 0))
                (br_if $B4
                  (i64.ne
                    (i64.shl
                      (local.get $l19)
                      (i64.load8_u offset=29
                        (local.get $l20)))
                    (i64.const 0)))))
            (local.set $l18
              (f64x2.extract_lane 0
                (local.tee $l27
                  (v128.load64_zero
                    (i32.add
                      (i32.wrap_i64
                        (local.get $l22))
                      (i32.load offset=24
                        (local.get $l20)))))))
            (local.set $l17
              (f64x2.extract_lane 0
                (local.get $l28)))
            (local.set $l16
              (f64.add
                (local.get $l18)
                (local.get $l17)))
            (local.set $l15
              (f64.reinterpret_i64
                (i64.and
                  (i64.extend_i32_s
                    (i32.sub
                      (i32.const 0)
                      (i64.eq
                        (i64.and
                          (i64.load offset=872 ;; fpcr
                            (local.get $cpu))
                          (i64.const 68748836864))
                        (i64.const 68719476736))))
                  (i64.const 9218868437227405312))))
            (local.set $l31
              (local.get $l16))
            (block $B6
              (br_if $B6
                (f64.lt
                  (f64.abs
                    (local.get $l16))
                  (local.get $l15)))
              (local.set $l31
                (local.tee $l14
                  (call $f.fp_add_scalar64
                    (local.get $cpu)
                    (local.get $l18)
                    (local.get $l17)))))
            (local.set $l13
              (local.get $l31))
            (local.set $l32
              (f64x2.replace_lane 0
                (v128.const i32x4 0x00000000 0x00000000 0x00000000 0x00000000)
                (local.get $l13)))
            (local.set $l12
              (f64.neg
                (local.get $l13)))
            (local.set $l32
              (f64x2.replace_lane 0
                (v128.const i32x4 0x00000000 0x00000000 0x00000000 0x00000000)
                (local.get $l12)))
            (local.set $l11
              (f64x2.extract_lane 0
                (local.get $l27)))
            (local.set $l9
              (f64.abs
                (local.tee $l10
                  (f64.mul
                    (local.get $l12)
                    (local.get $l11)))))
            (local.set $l33
              (local.get $l10))
            (block $B7
              (block $B8
                (br_if $B8
                  (i32.eqz
                    (f64.lt
                      (local.get $l9)
                      (local.get $l15))))
                (br_if $B7
                  (f64.gt
                    (local.get $l9)
                    (f64.reinterpret_i64
                      (i64.const 4503599627370496)))))
              (local.set $l33
                (local.tee $l8
                  (call $f.fp_mul_scalar64
                    (local.get $cpu)
                    (local.get $l12)
                    (local.get $l11)))))
            (local.set $l7
              (local.get $l33))
            (local.set $l32
              (f64x2.replace_lane 0
                (v128.const i32x4 0x00000000 0x00000000 0x00000000 0x00000000)
                (local.get $l7)))
            (local.set $l5
              (i32.wrap_i64
                (local.tee $l6
                  (local.get $l25))))
            (local.set $l4
              (i32.add
                (local.get $l29)
                (i32.shl
                  (i32.and
                    (i32.add
                      (i32.shr_u
                        (local.get $l5)
                        (i32.const 12))
                      (i32.shr_u
                        (local.get $l5)
                        (i32.const 22)))
                    (i32.const 16383))
                  (i32.const 5))))
            (if $I9
              (i64.ne
                (local.tee $l3
                  (i64.xor
                    (i64.and
                      (i64.add
                        (local.get $l6)
                        (i64.const 7))
                      (i64.const -4096))
                    (i64.load offset=8
                      (local.get $l4))))
                (i64.const 0))
              (then
                (local.set $l30
                  (i32.const 4))
                (br_if $B4
                  (i64.ne
                    (i64.shl
                      (local.get $l3)
                      (i64.load8_u offset=29
                        (local.get $l4)))
                    (i64.const 0)))))
            (f64.store
              (i32.add
                (i32.wrap_i64
                  (local.get $l6))
                (i32.load offset=24
                  (local.get $l4)))
              (local.get $l7))
            (v128.store offset=272 ;; V0
              (local.get $cpu)
              (local.get $l27))
            (v128.store offset=304 ;; V2
              (local.get $cpu)
              (local.get $l32))
            (br $B3))
          (if $I10
            (i32.ge_u
              (local.tee $l2
                (local.get $l30))
              (i32.const 4))
            (then
              (v128.store offset=272 ;; V0
                (local.get $cpu)
                (local.get $l27))
              (v128.store offset=304 ;; V2
                (local.get $cpu)
                (local.get $l32))))
          (local.set $l24
            (i32.add
              (local.get $l24)
              (i32.sub
                (i32.const 6)
                (local.get $l2))))
          (local.set $l34
            (i64.add
              (i64.extend_i32_u
                (i32.shl
                  (local.get $l2)
                  (i32.const 2)))
              (i64.const 131072))) ;; ldr d0, [x1]
          (br $B1))
        (local.set $l34
          (local.get $l26))
        (br $B2))
      (return_call $f.ret
        (local.get $cpu)
        (local.get $l34)
        (local.get $l24)))
    (return_call $f.interpret
      (local.get $cpu)
      (i32.wrap_i64
        (local.get $l34))
      (local.get $l24))
    (unreachable))
