;; conditional select
;;   cmp w0, #5
;;   csel x0, x1, x2, lt
;;   ret
  (func $r0 (export "r0") (type $t2) (param $cpu i32) (param $budget i32) (result i32)
    (local $l2 i32) (local $l3 i64) (local $l4 i32) (local $l5 i32) (local $l6 i64) (local $l7 i64) (local $l8 i64) (local $l9 i64) (local $l10 i32) (local $l11 i32) (local $l12 i64) (local $l13 i64) (local $l14 i64)
    (local.set $l4
      (i32.sub
        (i32.load
          (i32.const 12288))
        (i32.const 1)))
    (i32.store
      (i32.const 12288)
      (local.get $l4))
    (if $I0
      (i32.eqz
        (local.get $l4))
      (then
        (return_call $f.hot
          (local.get $cpu)
          (i32.const 131072)
          (local.get $budget))))
    (local.set $l5
      (local.get $budget))
    (local.set $l6
      (i64.load ;; X0
        (local.get $cpu)))
    (local.set $l7
      (i64.load offset=8 ;; X1
        (local.get $cpu)))
    (local.set $l8
      (i64.load offset=16 ;; X2
        (local.get $cpu)))
    (local.set $l9
      (i64.load offset=240 ;; X30
        (local.get $cpu)))
    (block $B1
      (block $B2
        (block $B3
          (block $B4
            (local.set $l5
              (i32.sub
                (local.get $l5)
                (i32.const 3)))
            (local.set $l10
              (i32.const 0))
            (br_if $B4
              (i32.lt_s
                (local.get $l5)
                (i32.const 0)))
            (local.set $l3
              (i64.extend_i32_s
                (i32.wrap_i64
                  (local.get $l6))))
            (local.set $l11
              (i32.const 4))
            (local.set $l12
              (local.get $l3))
            (local.set $l13
              (i64.const 5))
            (local.set $l6
              (select
                (local.get $l7)
                (local.get $l8)
                (i64.lt_s
                  (local.get $l3)
                  (i64.const 5))))
            (i64.store ;; X0
              (local.get $cpu)
              (local.get $l6))
            (br $B3))
          (local.set $l2
            (local.get $l10))
          (local.set $l5
            (i32.add
              (local.get $l5)
              (i32.sub
                (i32.const 3)
                (local.get $l2))))
          (local.set $l14
            (i64.add
              (i64.extend_i32_u
                (i32.shl
                  (local.get $l2)
                  (i32.const 2)))
              (i64.const 131072))) ;; subs wzr, w0, #0x5
          (br $B1))
        (local.set $l14
          (local.get $l9))
        (br $B2))
      (if $I5
        (local.get $l11)
        (then
          (i32.store offset=816 ;; flagsKind
            (local.get $cpu)
            (local.get $l11))
          (i64.store offset=896 ;; flagsA
            (local.get $cpu)
            (local.get $l12))
          (i64.store offset=904 ;; flagsB
            (local.get $cpu)
            (local.get $l13))))
      (return_call $f.ret
        (local.get $cpu)
        (local.get $l14)
        (local.get $l5)))
    (if $I6
      (local.get $l11)
      (then
        (i32.store offset=816 ;; flagsKind
          (local.get $cpu)
          (local.get $l11))
        (i64.store offset=896 ;; flagsA
          (local.get $cpu)
          (local.get $l12))
        (i64.store offset=904 ;; flagsB
          (local.get $cpu)
          (local.get $l13))))
    (return_call $f.interpret
      (local.get $cpu)
      (i32.wrap_i64
        (local.get $l14))
      (local.get $l5))
    (unreachable))
