;; loop that copies
;;   again: stp x3, x4, [x0], #16
;;   ldp x3, x4, [x1], #16
;;   subs x2, x2, #16
;;   b.hi again
;;   ret
  (func $r0 (export "r0") (type $t2) (param $cpu i32) (param $budget i32) (result i32)
    (local $l2 i32) (local $l3 i64) (local $l4 i32) (local $l5 i32) (local $l6 i64) (local $l7 i32) (local $l8 i32) (local $l9 i64) (local $l10 i32) (local $l11 i32) (local $l12 i64) (local $l13 i64) (local $l14 i32) (local $l15 i32) (local $l16 i32) (local $l17 i64) (local $l18 i64) (local $l19 i32) (local $l20 i32) (local $l21 i32) (local $l22 i64) (local $l23 i32) (local $l24 i32) (local $l25 i64) (local $l26 i64) (local $l27 i64) (local $l28 i64) (local $l29 i64) (local $l30 i64) (local $l31 i32) (local $l32 i32) (local $l33 i64) (local $l34 i32) (local $l35 i64) (local $l36 i32) (local $l37 i32) (local $l38 i64) (local $l39 i64) (local $l40 i64) (local $l41 i32) (local $l42 v128) (local $l43 i32)
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
      (i64.load ;; X0
        (local.get $cpu)))
    (local.set $l26
      (i64.load offset=24 ;; X3
        (local.get $cpu)))
    (local.set $l27
      (i64.load offset=32 ;; X4
        (local.get $cpu)))
    (local.set $l28
      (i64.load offset=8 ;; X1
        (local.get $cpu)))
    (local.set $l29
      (i64.load offset=16 ;; X2
        (local.get $cpu)))
    (local.set $l30
      (i64.load offset=240 ;; X30
        (local.get $cpu)))
    (local.set $l31
      (i32.load offset=884 ;; tlb
        (local.get $cpu)))
    (block $B1
      (block $B2
        (loop $L3
          (block $B4
            (block $B5
              (block $B6
                (local.set $l24
                  (i32.sub
                    (local.get $l24)
                    (i32.const 4)))
                (local.set $l32
                  (i32.const 0))
                (br_if $B6
                  (i32.lt_s
                    (local.get $l24)
                    (i32.const 0)))
                (local.set $l21
                  (i32.wrap_i64
                    (local.tee $l22
                      (local.get $l25))))
                (local.set $l20
                  (i32.add
                    (local.get $l31)
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
                (local.set $l19
                  (i32.add
                    (i32.wrap_i64
                      (local.get $l22))
                    (i32.load offset=24
                      (local.get $l20))))
                (if $I7
                  (i64.ne
                    (local.tee $l18
                      (i64.xor
                        (i64.and
                          (i64.add
                            (local.get $l22)
                            (i64.const 15))
                          (i64.const -4096))
                        (i64.load offset=8
                          (local.get $l20))))
                    (i64.const 0))
                  (then
                    (local.set $l32
                      (i32.const 0))
                    (br_if $B6
                      (i64.ne
                        (i64.shl
                          (local.get $l18)
                          (i64.load8_u offset=29
                            (local.get $l20)))
                        (i64.const 0)))))
                (local.set $l33
                  (i64.and
                    (local.get $l22)
                    (i64.const -4096)))
                (local.set $l34
                  (i32.sub
                    (local.get $l19)
                    (i32.wrap_i64
                      (local.get $l22))))
                (i64.store
                  (local.get $l19)
                  (local.get $l26))
                (i64.store offset=8
                  (local.get $l19)
                  (local.get $l27))
                (local.set $l25
                  (i64.add
                    (local.get $l22)
                    (i64.const 16)))
                (local.set $l16
                  (i32.wrap_i64
                    (local.tee $l17
                      (local.get $l28))))
                (local.set $l15
                  (i32.add
                    (local.get $l31)
                    (i32.shl
                      (i32.and
                        (i32.add
                          (i32.shr_u
                            (local.get $l16)
                            (i32.const 12))
                          (i32.shr_u
                            (local.get $l16)
                            (i32.const 22)))
                        (i32.const 16383))
                      (i32.const 5))))
                (local.set $l14
                  (i32.add
                    (i32.wrap_i64
                      (local.get $l17))
                    (i32.load offset=24
                      (local.get $l15))))
                (if $I8
                  (i64.ne
                    (local.tee $l13
                      (i64.xor
                        (i64.and
                          (i64.add
                            (local.get $l17)
                            (i64.const 15))
                          (i64.const -4096))
                        (i64.load
                          (local.get $l15))))
                    (i64.const 0))
                  (then
                    (local.set $l32
                      (i32.const 1))
                    (br_if $B6
                      (i64.ne
                        (i64.shl
                          (local.get $l13)
                          (i64.load8_u offset=29
                            (local.get $l15)))
                        (i64.const 0)))))
                (local.set $l35
                  (i64.and
                    (local.get $l17)
                    (i64.const -4096)))
                (local.set $l36
                  (i32.sub
                    (local.get $l14)
                    (i32.wrap_i64
                      (local.get $l17))))
                (local.set $l26
                  (i64.load
                    (local.get $l14)))
                (local.set $l27
                  (i64.load offset=8
                    (local.get $l14)))
                (local.set $l28
                  (i64.add
                    (local.get $l17)
                    (i64.const 16)))
                (local.set $l12
                  (local.get $l29))
                (local.set $l37
                  (i32.const 3))
                (local.set $l38
                  (local.get $l12))
                (local.set $l39
                  (i64.const 16))
                (local.set $l29
                  (i64.sub
                    (local.get $l12)
                    (i64.const 16)))
                (i64.store ;; X0
                  (local.get $cpu)
                  (local.get $l25))
                (i64.store offset=24 ;; X3
                  (local.get $cpu)
                  (local.get $l26))
                (i64.store offset=32 ;; X4
                  (local.get $cpu)
                  (local.get $l27))
                (i64.store offset=8 ;; X1
                  (local.get $cpu)
                  (local.get $l28))
                (i64.store offset=16 ;; X2
                  (local.get $cpu)
                  (local.get $l29))
                (br $B5))
              (if $I9
                (i32.ge_u
                  (local.tee $l11
                    (local.get $l32))
                  (i32.const 1))
                (then
                  (i64.store ;; X0
                    (local.get $cpu)
                    (local.get $l25))))
              (local.set $l24
                (i32.add
                  (local.get $l24)
                  (i32.sub
                    (i32.const 4)
                    (local.get $l11))))
              (local.set $l40
                (i64.add
                  (i64.extend_i32_u
                    (i32.shl
                      (local.get $l11)
                      (i32.const 2)))
                  (i64.const 131072))) ;; stp x3, x4, [x0], #16
              (br $B1))
            (if $I10
              (i64.gt_u
                (local.get $l12)
                (i64.const 16))
              (then
                (local.set $l10
                  (i32.div_u
                    (local.get $l24)
                    (i32.const 4)))
                (local.set $l41
                  (i32.const 0))
                (block $B11
                  (br_if $B11
                    (i64.gt_u
                      (local.tee $l9
                        (i64.sub
                          (local.get $l25)
                          (local.get $l33)))
                      (i64.const 4080)))
                  (local.set $l7
                    (select
                      (local.tee $l8
                        (i32.add
                          (i32.div_u
                            (i32.sub
                              (i32.const 4080)
                              (i32.wrap_i64
                                (local.get $l9)))
                            (i32.const 16))
                          (i32.const 1)))
                      (local.get $l10)
                      (i32.lt_u
                        (local.get $l8)
                        (local.get $l10))))
                  (br_if $B11
                    (i64.gt_u
                      (local.tee $l6
                        (i64.sub
                          (local.get $l28)
                          (local.get $l35)))
                      (i64.const 4080)))
                  (local.set $l41
                    (select
                      (local.tee $l5
                        (i32.add
                          (i32.div_u
                            (i32.sub
                              (i32.const 4080)
                              (i32.wrap_i64
                                (local.get $l6)))
                            (i32.const 16))
                          (i32.const 1)))
                      (local.get $l7)
                      (i32.lt_u
                        (local.get $l5)
                        (local.get $l7)))))
                (if $I12
                  (local.tee $l4
                    (local.get $l41))
                  (then
                    (local.set $l42
                      (i64x2.replace_lane 1
                        (i64x2.splat
                          (local.get $l26))
                        (local.get $l27)))
                    (local.set $l43
                      (i32.sub
                        (local.get $l24)
                        (i32.mul
                          (local.get $l4)
                          (i32.const 4))))
                    (block $B13
                      (loop $L14
                        (local.set $l24
                          (i32.sub
                            (local.get $l24)
                            (i32.const 4)))
                        (v128.store
                          (i32.add
                            (i32.wrap_i64
                              (local.get $l25))
                            (local.get $l34))
                          (local.get $l42))
                        (local.set $l25
                          (i64.add
                            (local.get $l25)
                            (i64.const 16)))
                        (local.set $l42
                          (v128.load
                            (i32.add
                              (i32.wrap_i64
                                (local.get $l28))
                              (local.get $l36))))
                        (local.set $l28
                          (i64.add
                            (local.get $l28)
                            (i64.const 16)))
                        (local.set $l3
                          (local.get $l29))
                        (local.set $l37
                          (i32.const 3))
                        (local.set $l38
                          (local.get $l3))
                        (local.set $l39
                          (i64.const 16))
                        (local.set $l29
                          (i64.sub
                            (local.get $l3)
                            (i64.const 16)))
                        (if $I15
                          (i32.eqz
                            (i64.gt_u
                              (local.get $l3)
                              (i64.const 16)))
                          (then
                            (local.set $l26
                              (i64x2.extract_lane 0
                                (local.get $l42)))
                            (local.set $l27
                              (i64x2.extract_lane 1
                                (local.get $l42)))
                            (i64.store ;; X0
                              (local.get $cpu)
                              (local.get $l25))
                            (i64.store offset=24 ;; X3
                              (local.get $cpu)
                              (local.get $l26))
                            (i64.store offset=32 ;; X4
                              (local.get $cpu)
                              (local.get $l27))
                            (i64.store offset=8 ;; X1
                              (local.get $cpu)
                              (local.get $l28))
                            (i64.store offset=16 ;; X2
                              (local.get $cpu)
                              (local.get $l29))
                            (br $B4)))
                        (br_if $L14
                          (i32.gt_s
                            (local.get $l24)
                            (local.get $l43))))
                      (local.set $l26
                        (i64x2.extract_lane 0
                          (local.get $l42)))
                      (local.set $l27
                        (i64x2.extract_lane 1
                          (local.get $l42)))
                      (i64.store ;; X0
                        (local.get $cpu)
                        (local.get $l25))
                      (i64.store offset=24 ;; X3
                        (local.get $cpu)
                        (local.get $l26))
                      (i64.store offset=32 ;; X4
                        (local.get $cpu)
                        (local.get $l27))
                      (i64.store offset=8 ;; X1
                        (local.get $cpu)
                        (local.get $l28))
                      (i64.store offset=16 ;; X2
                        (local.get $cpu)
                        (local.get $l29))
                      (br $B13))))
                (br $L3))
              (else
                (br $B4))))
          (block $B16
            (block $B17
              (local.set $l24
                (i32.sub
                  (local.get $l24)
                  (i32.const 1)))
              (local.set $l32
                (i32.const 0))
              (br_if $B17
                (i32.lt_s
                  (local.get $l24)
                  (i32.const 0)))
              (br $B16))
            (local.set $l2
              (local.get $l32))
            (local.set $l24
              (i32.add
                (local.get $l24)
                (i32.sub
                  (i32.const 1)
                  (local.get $l2))))
            (local.set $l40
              (i64.add
                (i64.extend_i32_u
                  (i32.shl
                    (local.get $l2)
                    (i32.const 2)))
                (i64.const 131088))) ;; ret
            (br $B1))
          (local.set $l40
            (local.get $l30))
          (br $B2)))
      (if $I18
        (local.get $l37)
        (then
          (i32.store offset=816 ;; flagsKind
            (local.get $cpu)
            (local.get $l37))
          (i64.store offset=896 ;; flagsA
            (local.get $cpu)
            (local.get $l38))
          (i64.store offset=904 ;; flagsB
            (local.get $cpu)
            (local.get $l39))))
      (return_call $f.ret
        (local.get $cpu)
        (local.get $l40)
        (local.get $l24)))
    (if $I19
      (local.get $l37)
      (then
        (i32.store offset=816 ;; flagsKind
          (local.get $cpu)
          (local.get $l37))
        (i64.store offset=896 ;; flagsA
          (local.get $cpu)
          (local.get $l38))
        (i64.store offset=904 ;; flagsB
          (local.get $cpu)
          (local.get $l39))))
    (return_call $f.interpret
      (local.get $cpu)
      (i32.wrap_i64
        (local.get $l40))
      (local.get $l24))
    (unreachable))
