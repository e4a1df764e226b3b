;; vector addition
;;   add v0.4s, v1.4s, v2.4s
;;   ret
(module
  (type $t0 (func (param i32 i64 i32) (result i32)))
  (type $t1 (func (param i32 i32 i32) (result i32)))
  (type $t2 (func (param i32 i32) (result i32)))
  (import "m" "m" (memory $m.m 16 16))
  (import "f" "jump" (func $f.jump (type $t0)))
  (import "f" "interpret" (func $f.interpret (type $t1)))
  (import "f" "hot" (func $f.hot (type $t1)))
  (func $r0 (export "r0") (type $t2) (param $p0 i32) (param $p1 i32) (result i32)
    (local $l2 i32) (local $l3 i32) (local $l4 i32) (local $l5 i64) (local $l6 v128) (local $l7 v128) (local $l8 v128) (local $l9 i32) (local $l10 i64)
    (local.set $l3
      (i32.sub
        (i32.load align=1
          (i32.const 12288))
        (i32.const 1)))
    (i32.store align=1
      (i32.const 12288)
      (local.get $l3))
    (if $I0
      (i32.eqz
        (local.get $l3))
      (then
        (return_call $f.hot
          (local.get $p0)
          (i32.const 131072)
          (local.get $p1))))
    (local.set $l4
      (local.get $p1))
    (local.set $l5
      (i64.load offset=240 align=1
        (local.get $p0)))
    (local.set $l6
      (v128.load offset=288 align=1
        (local.get $p0)))
    (local.set $l7
      (v128.load offset=304 align=1
        (local.get $p0)))
    (local.set $l8
      (v128.load offset=272 align=1
        (local.get $p0)))
    (block $B1
      (block $B2
        (block $B3
          (block $B4
            (block $B5
              (block $B6
                (block $B7
                  (block $B8
                    (local.set $l4
                      (i32.sub
                        (local.get $l4)
                        (i32.const 2)))
                    (local.set $l9
                      (i32.const 0))
                    (br_if $B8
                      (i32.lt_s
                        (local.get $l4)
                        (i32.const 0)))
                    (local.set $l9
                      (i32.const 0))
                    (br_if $B8
                      (i32.load offset=864 align=1
                        (local.get $p0)))
                    (local.set $l8
                      (i32x4.add
                        (local.get $l6)
                        (local.get $l7)))
                    (v128.store offset=272 align=1
                      (local.get $p0)
                      (local.get $l8))
                    (br $B7))
                  (local.set $l2
                    (local.get $l9))
                  (local.set $l4
                    (i32.add
                      (local.get $l4)
                      (i32.sub
                        (i32.const 2)
                        (local.get $l2))))
                  (local.set $l10
                    (i64.add
                      (i64.extend_i32_u
                        (i32.shl
                          (local.get $l2)
                          (i32.const 2)))
                      (i64.const 131072)))
                  (br $B1))
                (local.set $l10
                  (local.get $l5))
                (br $B5)))
            (return_call $f.jump
              (local.get $p0)
              (local.get $l10)
              (local.get $l4))))))
    (return_call $f.interpret
      (local.get $p0)
      (i32.wrap_i64
        (local.get $l10))
      (local.get $l4))
    (unreachable)))
