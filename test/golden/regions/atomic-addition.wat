;; atomic addition
;;   ldadd x0, x1, [x2]
;;   ret
  (func $r0 (export "r0") (type $t2) (param $cpu i32) (param $budget i32) (result i32)
    (local $l2 i32) (local $l3 i64) (local $l4 i64) (local $l5 i32) (local $l6 i32) (local $l7 i32) (local $l8 i64) (local $l9 i32) (local $l10 i32) (local $l11 i64) (local $l12 i64) (local $l13 i64) (local $l14 i32) (local $l15 i32) (local $l16 i64) (local $l17 i64)
    (local.set $l9
      (i32.sub
        (i32.load
          (i32.const 12288))
        (i32.const 1)))
    (i32.store
      (i32.const 12288)
      (local.get $l9))
    (if $I0
      (i32.eqz
        (local.get $l9))
      (then
        (return_call $f.hot
          (local.get $cpu)
          (i32.const 131072)
          (local.get $budget))))
    (local.set $l10
      (local.get $budget))
    (local.set $l11
      (i64.load offset=16 ;; X2
        (local.get $cpu)))
    (local.set $l12
      (i64.load ;; X0
        (local.get $cpu)))
    (local.set $l13
      (i64.load offset=240 ;; X30
        (local.get $cpu)))
    (local.set $l14
      (i32.load offset=884 ;; tlb
        (local.get $cpu)))
    (block $B1
      (block $B2
        (block $B3
          (block $B4
            (local.set $l10
              (i32.sub
                (local.get $l10)
                (i32.const 2)))
            (local.set $l15
              (i32.const 0))
            (br_if $B4
              (i32.lt_s
                (local.get $l10)
                (i32.const 0)))
            (local.set $l7
              (i32.wrap_i64
                (local.tee $l8
                  (local.get $l11))))
            (local.set $l6
              (i32.add
                (local.get $l14)
                (i32.shl
                  (i32.and
                    (i32.add
                      (i32.shr_u
                        (local.get $l7)
                        (i32.const 12))
                      (i32.shr_u
                        (local.get $l7)
                        (i32.const 22)))
                    (i32.const 16383))
                  (i32.const 5))))
            (local.set $l15
              (i32.const 0))
            (br_if $B4
              (i64.ne
                (i64.and
                  (local.get $l8)
                  (i64.const 7))
                (i64.const 0)))
            (local.set $l5
              (i32.add
                (i32.wrap_i64
                  (local.get $l8))
                (i32.load offset=24
                  (local.get $l6))))
            (if $I5
              (i64.ne
                (local.tee $l4
                  (i64.xor
                    (i64.and
                      (i64.add
                        (local.get $l8)
                        (i64.const 7))
                      (i64.const -4096))
                    (i64.load offset=8
                      (local.get $l6))))
                (i64.const 0))
              (then
                (local.set $l15
                  (i32.const 0))
                (br_if $B4
                  (i64.ne
                    (i64.shl
                      (local.get $l4)
                      (i64.load8_u offset=29
                        (local.get $l6)))
                    (i64.const 0)))))
            (local.set $l3
              (i64.load
                (local.get $l5)))
            (i64.store
              (local.get $l5)
              (i64.add
                (local.get $l3)
                (local.get $l12)))
            (local.set $l16
              (local.get $l3))
            (i64.store offset=8 ;; X1
              (local.get $cpu)
              (local.get $l16))
            (br $B3))
          (local.set $l2
            (local.get $l15))
          (local.set $l10
            (i32.add
              (local.get $l10)
              (i32.sub
                (i32.const 2)
                (local.get $l2))))
          (local.set $l17
            (i64.add
              (i64.extend_i32_u
                (i32.shl
                  (local.get $l2)
                  (i32.const 2)))
              (i64.const 131072))) ;; ldadd x0, x1, [x2]
          (br $B1))
        (local.set $l17
          (local.get $l13))
        (br $B2))
      (return_call $f.ret
        (local.get $cpu)
        (local.get $l17)
        (local.get $l10)))
    (return_call $f.interpret
      (local.get $cpu)
      (i32.wrap_i64
        (local.get $l17))
      (local.get $l10))
    (unreachable))
