;; floating-point compare and branch
;;   fcmp d0, d1
;;   b.lt out
;;   fmov d0, d1
;;   out: ret
  (func $r0 (export "r0") (type $t3) (param $cpu i32) (param $budget i32) (result i32)
    (local $l2 i32) (local $l3 i32) (local $l4 i32) (local $l5 f64) (local $l6 f64) (local $l7 f64) (local $l8 f64) (local $l9 f64) (local $l10 f64) (local $l11 i32) (local $l12 i32) (local $l13 i64) (local $l14 v128) (local $l15 v128) (local $l16 i32) (local $l17 f64) (local $l18 f64) (local $l19 i32) (local $l20 i64) (local $l21 i64) (local $l22 i64)
    (local.set $l11
      (i32.sub
        (i32.load
          (i32.const 12288))
        (i32.const 1)))
    (i32.store
      (i32.const 12288)
      (local.get $l11))
    (if $I0
      (i32.eqz
        (local.get $l11))
      (then
        (return_call $f.hot
          (local.get $cpu)
          (i32.const 131072)
          (local.get $budget))))
    (local.set $l12
      (local.get $budget))
    (local.set $l13
      (i64.load offset=240 ;; X30
        (local.get $cpu)))
    (local.set $l14
      (v128.load offset=272 ;; V0
        (local.get $cpu)))
    (local.set $l15
      (v128.load offset=288 ;; V1
        (local.get $cpu)))
    (block $B1
      (block $B2
        (block $B3
          (block $B4
            (block $B5
              (local.set $l12
                (i32.sub
                  (local.get $l12)
                  (i32.const 2)))
              (local.set $l16
                (i32.const 0))
              (br_if $B5
                (i32.lt_s
                  (local.get $l12)
                  (i32.const 0)))
              (local.set $l16
                (i32.const 0))
              (br_if $B5
                (i32.load offset=864 ;; fpTrapped
                  (local.get $cpu)))
              (local.set $l10
                (f64x2.extract_lane 0
                  (local.get $l14)))
              (local.set $l17
                (local.tee $l9
                  (f64x2.extract_lane 0
                    (local.get $l15))))
              (local.set $l8
                (f64.reinterpret_i64
                  (i64.and
                    (i64.extend_i32_s
                      (i32.sub
                        (i32.const 0)
                        (i32.eqz
                          (i32.and
                            (i32.load offset=872 ;; fpcr
                              (local.get $cpu))
                            (i32.const 16777216)))))
                    (i64.const 9218868437227405312))))
              (local.set $l18
                (local.get $l10))
              (block $B6
                (block $B7
                  (br_if $B7
                    (i32.eqz
                      (f64.le
                        (f64.abs
                          (local.get $l10))
                        (local.get $l8))))
                  (br_if $B6
                    (f64.le
                      (f64.abs
                        (local.get $l9))
                      (local.get $l8))))
                (local.set $l17
                  (f64.reinterpret_i64
                    (i64.const 0)))
                (local.set $l18
                  (local.tee $l7
                    (call $f.fpCompare64
                      (local.get $cpu)
                      (local.get $l10)
                      (local.get $l9)
                      (i32.const 0)))))
              (local.set $l6
                (local.get $l18))
              (local.set $l5
                (local.get $l17))
              (local.set $l19
                (i32.const 7))
              (local.set $l20
                (i64.reinterpret_f64
                  (local.get $l6)))
              (local.set $l21
                (i64.reinterpret_f64
                  (local.get $l5)))
              (br $B4))
            (local.set $l4
              (local.get $l16))
            (local.set $l12
              (i32.add
                (local.get $l12)
                (i32.sub
                  (i32.const 2)
                  (local.get $l4))))
            (local.set $l22
              (i64.add
                (i64.extend_i32_u
                  (i32.shl
                    (local.get $l4)
                    (i32.const 2)))
                (i64.const 131072))) ;; fcmp d0, d1
            (br $B1))
          (if $I8
            (i32.eqz
              (f64.ge
                (local.get $l6)
                (local.get $l5)))
            (then
              (br $B3))
            (else
              (block $B9
                (block $B10
                  (local.set $l12
                    (i32.sub
                      (local.get $l12)
                      (i32.const 1)))
                  (local.set $l16
                    (i32.const 0))
                  (br_if $B10
                    (i32.lt_s
                      (local.get $l12)
                      (i32.const 0)))
                  (local.set $l16
                    (i32.const 0))
                  (br_if $B10
                    (i32.load offset=864 ;; fpTrapped
                      (local.get $cpu)))
                  (local.set $l14
                    (f64x2.replace_lane 0
                      (v128.const i32x4 0x00000000 0x00000000 0x00000000 0x00000000)
                      (f64x2.extract_lane 0
                        (local.get $l15))))
                  (v128.store offset=272 ;; V0
                    (local.get $cpu)
                    (local.get $l14))
                  (br $B9))
                (local.set $l3
                  (local.get $l16))
                (local.set $l12
                  (i32.add
                    (local.get $l12)
                    (i32.sub
                      (i32.const 1)
                      (local.get $l3))))
                (local.set $l22
                  (i64.add
                    (i64.extend_i32_u
                      (i32.shl
                        (local.get $l3)
                        (i32.const 2)))
                    (i64.const 131080))) ;; fmov d0, d1
                (br $B1))
              (br $B3))))
        (block $B11
          (block $B12
            (local.set $l12
              (i32.sub
                (local.get $l12)
                (i32.const 1)))
            (local.set $l16
              (i32.const 0))
            (br_if $B12
              (i32.lt_s
                (local.get $l12)
                (i32.const 0)))
            (br $B11))
          (local.set $l2
            (local.get $l16))
          (local.set $l12
            (i32.add
              (local.get $l12)
              (i32.sub
                (i32.const 1)
                (local.get $l2))))
          (local.set $l22
            (i64.add
              (i64.extend_i32_u
                (i32.shl
                  (local.get $l2)
                  (i32.const 2)))
              (i64.const 131084))) ;; ret
          (br $B1))
        (local.set $l22
          (local.get $l13))
        (br $B2))
      (if $I13
        (local.get $l19)
        (then
          (i32.store offset=816 ;; flagsKind
            (local.get $cpu)
            (local.get $l19))
          (i64.store offset=896 ;; flagsA
            (local.get $cpu)
            (local.get $l20))
          (i64.store offset=904 ;; flagsB
            (local.get $cpu)
            (local.get $l21))))
      (return_call $f.ret
        (local.get $cpu)
        (local.get $l22)
        (local.get $l12)))
    (if $I14
      (local.get $l19)
      (then
        (i32.store offset=816 ;; flagsKind
          (local.get $cpu)
          (local.get $l19))
        (i64.store offset=896 ;; flagsA
          (local.get $cpu)
          (local.get $l20))
        (i64.store offset=904 ;; flagsB
          (local.get $cpu)
          (local.get $l21))))
    (return_call $f.interpret
      (local.get $cpu)
      (i32.wrap_i64
        (local.get $l22))
      (local.get $l12))
    (unreachable))
