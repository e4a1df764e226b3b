;; nested loops
;;   outer: mov x1, #10
;;   inner: subs x1, x1, #1
;;   b.ne inner
;;   subs x0, x0, #1
;;   b.ne outer
;;   ret
  (func $r0 (export "r0") (type $t2) (param $cpu i32) (param $budget i32) (result i32)
    (local $l2 i32) (local $l3 i32) (local $l4 i64) (local $l5 i32) (local $l6 i64) (local $l7 i32) (local $l8 i32) (local $l9 i32) (local $l10 i64) (local $l11 i64) (local $l12 i64) (local $l13 i32) (local $l14 i64) (local $l15 i32) (local $l16 i64) (local $l17 i64)
    (local.set $l8
      (i32.sub
        (i32.load
          (i32.const 12288))
        (i32.const 1)))
    (i32.store
      (i32.const 12288)
      (local.get $l8))
    (if $I0
      (i32.eqz
        (local.get $l8))
      (then
        (return_call $f.hot
          (local.get $cpu)
          (i32.const 131072)
          (local.get $budget))))
    (local.set $l9
      (local.get $budget))
    (local.set $l10
      (i64.load offset=8 ;; X1
        (local.get $cpu)))
    (local.set $l11
      (i64.load ;; X0
        (local.get $cpu)))
    (local.set $l12
      (i64.load offset=240 ;; X30
        (local.get $cpu)))
    (block $B1
      (block $B2
        (loop $L3
          (block $B4
            (block $B5
              (local.set $l9
                (i32.sub
                  (local.get $l9)
                  (i32.const 1)))
              (local.set $l13
                (i32.const 0))
              (br_if $B5
                (i32.lt_s
                  (local.get $l9)
                  (i32.const 0)))
              (local.set $l10
                (i64.const 10))
              (i64.store offset=8 ;; X1
                (local.get $cpu)
                (local.get $l10))
              (br $B4))
            (local.set $l7
              (local.get $l13))
            (local.set $l9
              (i32.add
                (local.get $l9)
                (i32.sub
                  (i32.const 1)
                  (local.get $l7))))
            (local.set $l14
              (i64.add
                (i64.extend_i32_u
                  (i32.shl
                    (local.get $l7)
                    (i32.const 2)))
                (i64.const 131072))) ;; movz x1, #0xa
            (br $B1))
          (loop $L6
            (block $B7
              (block $B8
                (block $B9
                  (local.set $l9
                    (i32.sub
                      (local.get $l9)
                      (i32.const 2)))
                  (local.set $l13
                    (i32.const 0))
                  (br_if $B9
                    (i32.lt_s
                      (local.get $l9)
                      (i32.const 0)))
                  (local.set $l6
                    (local.get $l10))
                  (local.set $l15
                    (i32.const 3))
                  (local.set $l16
                    (local.get $l6))
                  (local.set $l17
                    (i64.const 1))
                  (local.set $l10
                    (i64.sub
                      (local.get $l6)
                      (i64.const 1)))
                  (i64.store offset=8 ;; X1
                    (local.get $cpu)
                    (local.get $l10))
                  (br $B8))
                (local.set $l5
                  (local.get $l13))
                (local.set $l9
                  (i32.add
                    (local.get $l9)
                    (i32.sub
                      (i32.const 2)
                      (local.get $l5))))
                (local.set $l14
                  (i64.add
                    (i64.extend_i32_u
                      (i32.shl
                        (local.get $l5)
                        (i32.const 2)))
                    (i64.const 131076))) ;; subs x1, x1, #0x1
                (br $B1))
              (if $I10
                (i64.ne
                  (local.get $l6)
                  (i64.const 1))
                (then
                  (br $L6))
                (else
                  (br $B7))))
            (block $B11
              (block $B12
                (local.set $l9
                  (i32.sub
                    (local.get $l9)
                    (i32.const 2)))
                (local.set $l13
                  (i32.const 0))
                (br_if $B12
                  (i32.lt_s
                    (local.get $l9)
                    (i32.const 0)))
                (local.set $l4
                  (local.get $l11))
                (local.set $l15
                  (i32.const 3))
                (local.set $l16
                  (local.get $l4))
                (local.set $l17
                  (i64.const 1))
                (local.set $l11
                  (i64.sub
                    (local.get $l4)
                    (i64.const 1)))
                (i64.store ;; X0
                  (local.get $cpu)
                  (local.get $l11))
                (br $B11))
              (local.set $l3
                (local.get $l13))
              (local.set $l9
                (i32.add
                  (local.get $l9)
                  (i32.sub
                    (i32.const 2)
                    (local.get $l3))))
              (local.set $l14
                (i64.add
                  (i64.extend_i32_u
                    (i32.shl
                      (local.get $l3)
                      (i32.const 2)))
                  (i64.const 131084))) ;; subs x0, x0, #0x1
              (br $B1))
            (if $I13
              (i64.ne
                (local.get $l4)
                (i64.const 1))
              (then
                (br $L3))
              (else
                (block $B14
                  (block $B15
                    (local.set $l9
                      (i32.sub
                        (local.get $l9)
                        (i32.const 1)))
                    (local.set $l13
                      (i32.const 0))
                    (br_if $B15
                      (i32.lt_s
                        (local.get $l9)
                        (i32.const 0)))
                    (br $B14))
                  (local.set $l2
                    (local.get $l13))
                  (local.set $l9
                    (i32.add
                      (local.get $l9)
                      (i32.sub
                        (i32.const 1)
                        (local.get $l2))))
                  (local.set $l14
                    (i64.add
                      (i64.extend_i32_u
                        (i32.shl
                          (local.get $l2)
                          (i32.const 2)))
                      (i64.const 131092))) ;; ret
                  (br $B1))
                (local.set $l14
                  (local.get $l12))
                (br $B2))))))
      (if $I16
        (local.get $l15)
        (then
          (i32.store offset=816 ;; flagsKind
            (local.get $cpu)
            (local.get $l15))
          (i64.store offset=896 ;; flagsA
            (local.get $cpu)
            (local.get $l16))
          (i64.store offset=904 ;; flagsB
            (local.get $cpu)
            (local.get $l17))))
      (return_call $f.ret
        (local.get $cpu)
        (local.get $l14)
        (local.get $l9)))
    (if $I17
      (local.get $l15)
      (then
        (i32.store offset=816 ;; flagsKind
          (local.get $cpu)
          (local.get $l15))
        (i64.store offset=896 ;; flagsA
          (local.get $cpu)
          (local.get $l16))
        (i64.store offset=904 ;; flagsB
          (local.get $cpu)
          (local.get $l17))))
    (return_call $f.interpret
      (local.get $cpu)
      (i32.wrap_i64
        (local.get $l14))
      (local.get $l9))
    (unreachable))
