"""Commands written by hand for the corners of each: what redis-server answers to them, the store answers too."""

STRINGS = r"""
get nothing
set a 1
get a
set a
set
get
get a b
SET a 2 NX
SET b 2 nx
set b 3 XX GET
set c 3 XX GET
set c 3 XX
set c 3 NX GET
set c 4 NX GET
get c
set a 1 nx xx
set a 1 ex
set a 1 ex 10 px 10
set a 1 ex 10 keepttl
set a 1 ex 0
set a 1 ex -1
set a 1 px 0
set a 1 ex abc
set a 1 ex 9223372036854775807
set a 1 px 9223372036854775807
set a 1 exat 0
set a 1 ex 10 ex 20
ttl a
set a 1 persist
set a 1 foo
set a 5 ex 100
ttl a
set a 6 keepttl
ttl a
set a 7
ttl a
set a 8 px 100000 get
pttl a
set a 9 exat 33177117420
ttl a
expiretime a
set a 9 pxat 33177117420000
pexpiretime a
set dead 1 pxat 1
get dead
exists dead
getex a
getex nothing
getex a ex 100
ttl a
getex a persist
ttl a
getex a px 100000
ttl a
getex a exat 33177117420
ttl a
getex a pxat 33177117420000
pttl a
getex a keepttl
getex a ex
getex a ex abc
getex a ex 0
getex nothing ex abc
getex a ex 10 persist
getex a exat 1
exists a
getdel a
set a x
getdel a
exists a
getset a 1
getset a 2
get a
setnx a 5
setnx n 5
setex s 100 v
ttl s
setex s 0 v
setex s -1 v
setex s a v
psetex s 100000 v
psetex s 0 v
setrange r 5 hello
get r
object encoding r
strlen r
setrange r 0 HE
get r
setrange r -1 x
setrange r abc x
setrange r 4611686018427387904 x
setrange none 3 ""
exists none
setrange r 3 ""
getrange r 0 -1
getrange r -3 -1
getrange r 2 4
getrange r 5 2
getrange r -1 -5
getrange r 0 100
getrange r 100 200
getrange r -100 3
getrange nothing 0 -1
getrange r a b
substr r 0 3
append ap 5
object encoding ap
append ap 6
object encoding ap
get ap
incr ap
object encoding ap
append ap ""
strlen ap
strlen nothing
append e ""
get e
exists e
set i 10
incr i
incrby i 5
decr i
decrby i 20
incrby i abc
incrby i 9223372036854775807
incrby i 9223372036854775807
decrby i -9223372036854775808
decrby i 9223372036854775807
set i " 1"
incr i
set i 01
incr i
object encoding i
set i 9223372036854775807
incr i
object encoding i
set i -9223372036854775808
decr i
set i 9223372036854775808
incr i
object encoding i
set i -0
incr i
set i +1
incr i
set i ""
incr i
incr fresh
ttl fresh
set ttled 1 ex 100
incr ttled
ttl ttled
append ttled 1
ttl ttled
setrange ttled 0 2
ttl ttled
incrbyfloat f 10.5
incrbyfloat f 0.1
incrbyfloat f -10.6
incrbyfloat f 5.0e3
incrbyfloat f abc
incrbyfloat f inf
incrbyfloat f nan
incrbyfloat f 1e400
set f 3.0
incrbyfloat f 1.20
get f
set f abc
incrbyfloat f 1
set f " 1"
incrbyfloat f 1
incrbyfloat g 0.1
incrbyfloat g 0.2
incrbyfloat g 1e17
incrbyfloat g 1e-10
set h 0x10
incrbyfloat h 1
mset a 1 b 2 c 3
mget a b c nothing
mset a 1 b
mset a
mset a 1 a 2
get a
msetnx a 1 zz 2
exists zz
msetnx z1 1 z2 2
mget z1 z2
msetnx z1
set long "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
object encoding long
append long ""
object encoding long
set long "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
object encoding long
set long "12345678901234567890"
object encoding long
set long "1234567890123456789"
object encoding long
set long "-1234567890123456789"
object encoding long
"""

KEYS = r"""
del nothing
set a 1
set b 2
del a b nothing
del
exists a
set a 1
exists a a nothing
touch a a nothing
unlink a nothing
type nothing
set a 1
type a
rename nothing b
rename a a
rename nothing nothing
rename a b
get b
exists a
renamenx b b
renamenx b c
set b 1
renamenx b c
renamenx nothing c
set t 1 ex 100
rename t u
ttl u
set u2 x
rename u2 u
ttl u
copy u v
get v
copy u v
copy u v replace
copy u u
copy nothing v
copy u v db 0
copy u v db 99
copy u v db abc
copy u v foo
copy u v db
set tt 1 ex 100
copy tt tt2
ttl tt2
append tt2 5
copy tt2 tt3
object encoding tt3
rename tt3 tt4
object encoding tt4
ttl tt4
copy tt2 tt4 replace
object encoding tt4
expire nothing 10
expire u 100
ttl u
pttl u
expire u abc
expire u 9223372036854775807
expire u 9223372036854775
expire u -9223372036854775808
pexpire u 9223372036854775807
expire u 100 foo
expire u 100 nx xx
expire u 100 nx gt
expire u 100 gt lt
expire u 200 nx
expire u 200 xx
ttl u
expire u 100 gt
ttl u
expire u 300 gt
ttl u
expire u 400 lt
ttl u
expire u 50 lt
ttl u
expire u 60 xx lt
ttl u
persist u
persist u
persist nothing
ttl u
expire u 100 gt
ttl u
expire u 100 lt
ttl u
persist u
expire u 100 xx
expire u 100 nx
expireat u 33177117420
ttl u
expiretime u
pexpiretime u
pexpireat u 33177117420123
pexpiretime u
expiretime u
expiretime nothing
pexpiretime nothing
ttl nothing
pttl nothing
set x 1
expiretime x
ttl x
pttl x
expire x 0
exists x
set x 1
expire x -1
exists x
set x 1
pexpireat x 1
exists x
set x 1
expireat x -10
exists x
pexpire u 100000 nx
pexpireat u 1 gt
exists u
dbsize
scan 0 count 1000
scan 0 match u* count 1000
scan 0 type string count 1000
scan 0 type hash count 1000
scan 0 type nonsense count 1000
scan 0 count 0
scan 0 count abc
scan 0 match
scan 0 foo bar
scan abc
scan 99999999999999999999
scan " 1"
scan 1x
scan ""
keys *
keys u*
keys [uv]
keys [^uv]
keys ?
keys \\u
keys nothing*
randomkey
object encoding nothing
object encoding u
object refcount u
object refcount nothing
set n 12
object refcount n
set n 10000
object refcount n
object idletime u
object idletime nothing
object freq u
object freq nothing
object foo u
object
object help
object encoding
object encoding a b
memory usage nothing
memory usage u
memory usage u samples 0
memory usage u samples -1
memory usage u samples abc
memory usage u foo 1
memory usage u samples
memory foo
nonsense
nonsense a b c
NONSENSE "a b" c
dbsize foo
flushall foo
flushdb foo bar
flushall async
dbsize
set a 1
flushdb sync
dbsize
randomkey
keys *
scan 0
"""

STRINGS_AGAINST_OTHERS = r"""
lpush l 1
get l
set l 1 get
incr l
append l 1
strlen l
getrange l 0 1
setrange l 0 a
getdel l
getex l
getset l 1
mget l a
incrbyfloat l 1
decr l
type l
set l 1
type l
"""
