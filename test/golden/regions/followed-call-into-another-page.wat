;; followed call into another page
;;   bl 0x80001000
;;   add x1, x1, #1
;;   ret
;;   add x0, x0, #1
;;   ret
  (func $r0 (export "r0") (type $t2) (param $cpu i32) (param $budget i32) (result i32)
    (local $l2 i32) (local $l3 i32) (local $l4 i64) (local $l5 i32) (local $l6 i32) (local $l7 i64) (local $l8 i32) (local $l9 i32) (local $l10 i32) (local $l11 i32) (local $l12 i64) (local $l13 i64) (local $l14 i64) (local $l15 i64) (local $l16 i32) (local $l17 i32) (local $l18 i64) (local $l19 i32)
    (local.set $l10
      (i32.sub
        (i32.load
          (i32.const 12288))
        (i32.const 1)))
    (i32.store
      (i32.const 12288)
      (local.get $l10))
    (if $I0
      (i32.eqz
        (local.get $l10))
      (then
        (return_call $f.hot
          (local.get $cpu)
          (i32.const 131072)
          (local.get $budget))))
    (local.set $l11
      (local.get $budget))
    (local.set $l12
      (i64.load offset=792 ;; pcDelta
        (local.get $cpu)))
    (local.set $l13
      (i64.load ;; X0
        (local.get $cpu)))
    (local.set $l14
      (i64.load offset=240 ;; X30
        (local.get $cpu)))
    (local.set $l15
      (i64.load offset=8 ;; X1
        (local.get $cpu)))
    (local.set $l16
      (i32.load offset=884 ;; tlb
        (local.get $cpu)))
    (block $B1
      (block $B2
        (block $B3
          (block $B4
            (block $B5
              (block $B6
                (local.set $l11
                  (i32.sub
                    (local.get $l11)
                    (i32.const 1)))
                (local.set $l17
                  (i32.const 0))
                (br_if $B6
                  (i32.lt_s
                    (local.get $l11)
                    (i32.const 0)))
                (local.set $l14
                  (i64.add
                    (i64.add
                      (local.get $l12)
                      (i64.const 131072)) ;; bl 0x80001000
                    (i64.const 4)))
                (i64.store offset=240 ;; X30
                  (local.get $cpu)
                  (local.get $l14))
                (br $B5))
              (local.set $l9
                (local.get $l17))
              (local.set $l11
                (i32.add
                  (local.get $l11)
                  (i32.sub
                    (i32.const 1)
                    (local.get $l9))))
              (local.set $l18
                (i64.add
                  (i64.extend_i32_u
                    (i32.shl
                      (local.get $l9)
                      (i32.const 2)))
                  (i64.const 131072))) ;; bl 0x80001000
              (br $B1))
            (if $I7
              (i32.eqz
                (local.tee $l8
                  (local.get $l19)))
              (then
                (local.set $l6
                  (i32.wrap_i64
                    (local.tee $l7
                      (i64.add
                        (local.get $l12)
                        (i64.const 135168)))))
                (if $I8
                  (i32.or
                    (i32.or
                      (i64.ne
                        (i64.and
                          (i64.xor
                            (i64.load offset=16
                              (local.tee $l5
                                (i32.add
                                  (local.get $l16)
                                  (i32.shl
                                    (i32.and
                                      (i32.add
                                        (i32.shr_u
                                          (local.get $l6)
                                          (i32.const 12))
                                        (i32.shr_u
                                          (local.get $l6)
                                          (i32.const 22)))
                                      (i32.const 16383))
                                    (i32.const 5)))))
                            (local.get $l7))
                          (i64.const -4096))
                        (i64.const 0))
                      (i32.ne
                        (i32.add
                          (i32.wrap_i64
                            (local.get $l7))
                          (i32.load offset=24
                            (local.get $l5)))
                        (i32.const 327680)))
                    (i32.ne
                      (i32.and
                        (i32.load offset=28
                          (local.get $l5))
                        (i32.const 128))
                      (i32.load offset=1008 ;; pageGuarded
                        (local.get $cpu))))
                  (then
                    (local.set $l18
                      (i64.add
                        (local.get $l12)
                        (i64.const 135168)))
                    (br $B3)))
                (local.set $l19
                  (i32.const 1))))
            (block $B9
              (block $B10
                (local.set $l11
                  (i32.sub
                    (local.get $l11)
                    (i32.const 2)))
                (local.set $l17
                  (i32.const 0))
                (br_if $B10
                  (i32.lt_s
                    (local.get $l11)
                    (i32.const 0)))
                (local.set $l13
                  (i64.add
                    (local.get $l13)
                    (i64.const 1)))
                (local.set $l4
                  (local.get $l14))
                (i64.store ;; X0
                  (local.get $cpu)
                  (local.get $l13))
                (br $B9))
              (local.set $l3
                (local.get $l17))
              (local.set $l11
                (i32.add
                  (local.get $l11)
                  (i32.sub
                    (i32.const 2)
                    (local.get $l3))))
              (local.set $l18
                (i64.add
                  (i64.extend_i32_u
                    (i32.shl
                      (local.get $l3)
                      (i32.const 2)))
                  (i64.add
                    (local.get $l12)
                    (i64.const 135168))))
              (br $B2))
            (if $I11
              (i64.eq
                (local.get $l4)
                (i64.add
                  (local.get $l12)
                  (i64.const 131076))) ;; add x1, x1, #0x1
              (then
                (block $B12
                  (block $B13
                    (local.set $l11
                      (i32.sub
                        (local.get $l11)
                        (i32.const 2)))
                    (local.set $l17
                      (i32.const 0))
                    (br_if $B13
                      (i32.lt_s
                        (local.get $l11)
                        (i32.const 0)))
                    (local.set $l15
                      (i64.add
                        (local.get $l15)
                        (i64.const 1)))
                    (i64.store offset=8 ;; X1
                      (local.get $cpu)
                      (local.get $l15))
                    (br $B12))
                  (local.set $l2
                    (local.get $l17))
                  (local.set $l11
                    (i32.add
                      (local.get $l11)
                      (i32.sub
                        (i32.const 2)
                        (local.get $l2))))
                  (local.set $l18
                    (i64.add
                      (i64.extend_i32_u
                        (i32.shl
                          (local.get $l2)
                          (i32.const 2)))
                      (i64.const 131076))) ;; add x1, x1, #0x1
                  (br $B1))
                (local.set $l18
                  (local.get $l14))
                (br $B4)))
            (local.set $l18
              (local.get $l4))
            (br $B4))
          (return_call $f.ret
            (local.get $cpu)
            (local.get $l18)
            (local.get $l11)))
        (return_call $f.jump
          (local.get $cpu)
          (local.get $l18)
          (local.get $l11)))
      (return_call $f.interpretAt
        (local.get $cpu)
        (local.get $l18)
        (local.get $l11)))
    (return_call $f.interpret
      (local.get $cpu)
      (i32.wrap_i64
        (local.get $l18))
      (local.get $l11))
    (unreachable))
