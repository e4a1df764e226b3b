;; loop that fills memory
;;   again: str x1, [x0], #8
;;   subs x2, x2, #8
;;   b.hi again
;;   ret
  (func $r0 (export "r0") (type $t2) (param $cpu i32) (param $budget i32) (result i32)
    (local $l2 i32) (local $l3 i64) (local $l4 i32) (local $l5 i32) (local $l6 i64) (local $l7 i32) (local $l8 i32) (local $l9 i64) (local $l10 i64) (local $l11 i32) (local $l12 i32) (local $l13 i32) (local $l14 i64) (local $l15 i32) (local $l16 i32) (local $l17 i64) (local $l18 i64) (local $l19 i64) (local $l20 i64) (local $l21 i32) (local $l22 i32) (local $l23 i64) (local $l24 i32) (local $l25 i32) (local $l26 i64) (local $l27 i64) (local $l28 i64) (local $l29 i32) (local $l30 i32)
    (local.set $l15
      (i32.sub
        (i32.load
          (i32.const 12288))
        (i32.const 1)))
    (i32.store
      (i32.const 12288)
      (local.get $l15))
    (if $I0
      (i32.eqz
        (local.get $l15))
      (then
        (return_call $f.hot
          (local.get $cpu)
          (i32.const 131072)
          (local.get $budget))))
    (local.set $l16
      (local.get $budget))
    (local.set $l17
      (i64.load ;; X0
        (local.get $cpu)))
    (local.set $l18
      (i64.load offset=8 ;; X1
        (local.get $cpu)))
    (local.set $l19
      (i64.load offset=16 ;; X2
        (local.get $cpu)))
    (local.set $l20
      (i64.load offset=240 ;; X30
        (local.get $cpu)))
    (local.set $l21
      (i32.load offset=884 ;; tlb
        (local.get $cpu)))
    (block $B1
      (block $B2
        (loop $L3
          (block $B4
            (block $B5
              (block $B6
                (local.set $l16
                  (i32.sub
                    (local.get $l16)
                    (i32.const 3)))
                (local.set $l22
                  (i32.const 0))
                (br_if $B6
                  (i32.lt_s
                    (local.get $l16)
                    (i32.const 0)))
                (local.set $l13
                  (i32.wrap_i64
                    (local.tee $l14
                      (local.get $l17))))
                (local.set $l12
                  (i32.add
                    (local.get $l21)
                    (i32.shl
                      (i32.and
                        (i32.add
                          (i32.shr_u
                            (local.get $l13)
                            (i32.const 12))
                          (i32.shr_u
                            (local.get $l13)
                            (i32.const 22)))
                        (i32.const 16383))
                      (i32.const 5))))
                (local.set $l11
                  (i32.add
                    (i32.wrap_i64
                      (local.get $l14))
                    (i32.load offset=24
                      (local.get $l12))))
                (if $I7
                  (i64.ne
                    (local.tee $l10
                      (i64.xor
                        (i64.and
                          (i64.add
                            (local.get $l14)
                            (i64.const 7))
                          (i64.const -4096))
                        (i64.load offset=8
                          (local.get $l12))))
                    (i64.const 0))
                  (then
                    (local.set $l22
                      (i32.const 0))
                    (br_if $B6
                      (i64.ne
                        (i64.shl
                          (local.get $l10)
                          (i64.load8_u offset=29
                            (local.get $l12)))
                        (i64.const 0)))))
                (local.set $l23
                  (i64.and
                    (local.get $l14)
                    (i64.const -4096)))
                (local.set $l24
                  (i32.sub
                    (local.get $l11)
                    (i32.wrap_i64
                      (local.get $l14))))
                (i64.store
                  (local.get $l11)
                  (local.get $l18))
                (local.set $l17
                  (i64.add
                    (local.get $l14)
                    (i64.const 8)))
                (local.set $l9
                  (local.get $l19))
                (local.set $l25
                  (i32.const 3))
                (local.set $l26
                  (local.get $l9))
                (local.set $l27
                  (i64.const 8))
                (local.set $l19
                  (i64.sub
                    (local.get $l9)
                    (i64.const 8)))
                (i64.store ;; X0
                  (local.get $cpu)
                  (local.get $l17))
                (i64.store offset=16 ;; X2
                  (local.get $cpu)
                  (local.get $l19))
                (br $B5))
              (local.set $l8
                (local.get $l22))
              (local.set $l16
                (i32.add
                  (local.get $l16)
                  (i32.sub
                    (i32.const 3)
                    (local.get $l8))))
              (local.set $l28
                (i64.add
                  (i64.extend_i32_u
                    (i32.shl
                      (local.get $l8)
                      (i32.const 2)))
                  (i64.const 131072))) ;; str x1, [x0], #8
              (br $B1))
            (if $I8
              (i64.gt_u
                (local.get $l9)
                (i64.const 8))
              (then
                (local.set $l7
                  (i32.div_u
                    (local.get $l16)
                    (i32.const 3)))
                (local.set $l29
                  (i32.const 0))
                (block $B9
                  (br_if $B9
                    (i64.gt_u
                      (local.tee $l6
                        (i64.sub
                          (local.get $l17)
                          (local.get $l23)))
                      (i64.const 4088)))
                  (local.set $l29
                    (select
                      (local.tee $l5
                        (i32.add
                          (i32.div_u
                            (i32.sub
                              (i32.const 4088)
                              (i32.wrap_i64
                                (local.get $l6)))
                            (i32.const 8))
                          (i32.const 1)))
                      (local.get $l7)
                      (i32.lt_u
                        (local.get $l5)
                        (local.get $l7)))))
                (if $I10
                  (local.tee $l4
                    (local.get $l29))
                  (then
                    (local.set $l30
                      (i32.sub
                        (local.get $l16)
                        (i32.mul
                          (local.get $l4)
                          (i32.const 3))))
                    (block $B11
                      (loop $L12
                        (local.set $l16
                          (i32.sub
                            (local.get $l16)
                            (i32.const 3)))
                        (i64.store
                          (i32.add
                            (i32.wrap_i64
                              (local.get $l17))
                            (local.get $l24))
                          (local.get $l18))
                        (local.set $l17
                          (i64.add
                            (local.get $l17)
                            (i64.const 8)))
                        (local.set $l3
                          (local.get $l19))
                        (local.set $l25
                          (i32.const 3))
                        (local.set $l26
                          (local.get $l3))
                        (local.set $l27
                          (i64.const 8))
                        (local.set $l19
                          (i64.sub
                            (local.get $l3)
                            (i64.const 8)))
                        (if $I13
                          (i32.eqz
                            (i64.gt_u
                              (local.get $l3)
                              (i64.const 8)))
                          (then
                            (i64.store ;; X0
                              (local.get $cpu)
                              (local.get $l17))
                            (i64.store offset=16 ;; X2
                              (local.get $cpu)
                              (local.get $l19))
                            (br $B4)))
                        (br_if $L12
                          (i32.gt_s
                            (local.get $l16)
                            (local.get $l30))))
                      (i64.store ;; X0
                        (local.get $cpu)
                        (local.get $l17))
                      (i64.store offset=16 ;; X2
                        (local.get $cpu)
                        (local.get $l19))
                      (br $B11))))
                (br $L3))
              (else
                (br $B4))))
          (block $B14
            (block $B15
              (local.set $l16
                (i32.sub
                  (local.get $l16)
                  (i32.const 1)))
              (local.set $l22
                (i32.const 0))
              (br_if $B15
                (i32.lt_s
                  (local.get $l16)
                  (i32.const 0)))
              (br $B14))
            (local.set $l2
              (local.get $l22))
            (local.set $l16
              (i32.add
                (local.get $l16)
                (i32.sub
                  (i32.const 1)
                  (local.get $l2))))
            (local.set $l28
              (i64.add
                (i64.extend_i32_u
                  (i32.shl
                    (local.get $l2)
                    (i32.const 2)))
                (i64.const 131084))) ;; ret
            (br $B1))
          (local.set $l28
            (local.get $l20))
          (br $B2)))
      (if $I16
        (local.get $l25)
        (then
          (i32.store offset=816 ;; flagsKind
            (local.get $cpu)
            (local.get $l25))
          (i64.store offset=896 ;; flagsA
            (local.get $cpu)
            (local.get $l26))
          (i64.store offset=904 ;; flagsB
            (local.get $cpu)
            (local.get $l27))))
      (return_call $f.ret
        (local.get $cpu)
        (local.get $l28)
        (local.get $l16)))
    (if $I17
      (local.get $l25)
      (then
        (i32.store offset=816 ;; flagsKind
          (local.get $cpu)
          (local.get $l25))
        (i64.store offset=896 ;; flagsA
          (local.get $cpu)
          (local.get $l26))
        (i64.store offset=904 ;; flagsB
          (local.get $cpu)
          (local.get $l27))))
    (return_call $f.interpret
      (local.get $cpu)
      (i32.wrap_i64
        (local.get $l28))
      (local.get $l16))
    (unreachable))
