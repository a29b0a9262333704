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
set w 1
incrbyfloat w 1
object encoding w
rename w w2
object encoding w2
copy w2 w3
object encoding w3
incr w3
object encoding w3
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

HASHES = r"""
hset h
hset h a
hset h a 1 b
hset h a 1
hset h a 2 b 3
hget h a
hget h nothing
hget nothing a
hget h
hmset h c 4 d 5
hmset h c
hmset h
hsetnx h a 9
hsetnx h e 9
hsetnx h2 e 9
hmget h a b nothing e
hmget nothing a b
hgetall h
hgetall nothing
hkeys h
hvals h
hkeys nothing
hvals nothing
hlen h
hlen nothing
hstrlen h a
hstrlen h nothing
hstrlen nothing a
hexists h a
hexists h nothing
hexists nothing a
hdel h a nothing b
hdel h a
hdel nothing a
hdel h
object encoding h
hincrby h n 5
hincrby h n -7
hincrby h n abc
hincrby h n 9223372036854775807
hincrby h n 9223372036854775807
hset h n abc
hincrby h n 1
hset h n " 1"
hincrby h n 1
hincrby h2 fresh 3
hincrbyfloat h f 10.50
hincrbyfloat h f 0.1
hincrbyfloat h f 5.0e3
hincrbyfloat h f abc
hincrbyfloat h f inf
hincrbyfloat h f nan
hincrbyfloat h n 1
hincrbyfloat h f 1e400
hincrbyfloat h5 f 0.1
hincrbyfloat h5 f 0.2
hget h5 f
hrandfield nothing
hrandfield nothing 5
hrandfield nothing -5
hrandfield h
hrandfield h 0
hrandfield h 100
hrandfield h 100 withvalues
hrandfield h 1 withvalues
hrandfield h -20
hrandfield h -20 withvalues
hrandfield h 2 foo
hrandfield h abc
hrandfield h 1 withvalues foo
hrandfield h -9223372036854775808
hrandfield h -9223372036854775807 withvalues
hscan h 0
hscan h 0 match n*
hscan h 0 count 1000
hscan h 0 count 0
hscan h 0 type string
hscan h abc
hscan nothing 0
hscan nothing 5
hscan nothing 0 foo
hscan nothing abc
hscan h
set s 1
hset s a 1
hget s a
hdel s a
hlen s
hgetall s
hincrby s a 1
hincrbyfloat s a 1
hscan s 0
hrandfield s
hsetnx s a 1
hmget s a
hexists s a
hstrlen s a
hdel h2 e
hdel h2 fresh
exists h2
hset big f aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
object encoding big
hset big f aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
object encoding big
hdel big f
hset big f 1
object encoding big
type big
expire big 100
hset big g 1
ttl big
copy big big2
hgetall big2
ttl big2
rename big2 big3
hgetall big3
object encoding big3
hset e "" ""
hget e ""
hgetall e
memory usage h
memory usage big
"""

SETS = r"""
sadd s
sadd s a
sadd s a b c
sadd s a b
smembers s
smembers nothing
scard s
scard nothing
sismember s a
sismember s z
sismember nothing a
smismember s a z b
smismember nothing a b
smismember s
srem s a z
srem s z
srem nothing a
srem s
object encoding s
sadd i 1 2 3
object encoding i
sadd i 3 2 1 0
sadd i a
object encoding i
srem i a
object encoding i
sadd i2 9223372036854775807
object encoding i2
sadd i2 9223372036854775808
object encoding i2
sadd i3 01
object encoding i3
smove s t b
smove s t z
smove nothing t b
smove t t b
smove t t z
smembers t
exists s
smembers s
smove s t c
exists s
set str 1
smove t str b
smove str t b
smove t nothing2 b
smove nothing str b
sadd str a
srem str a
smembers str
scard str
sismember str a
smismember str a
spop str
spop str 1
srandmember str
srandmember str 1
sscan str 0
sinter t str
sunion t str
sdiff t str
sinter nothing str
sinterstore d t str
sintercard 2 t str
sadd a 1 2 3 4 5
sadd b 3 4 5 6
sadd c 4 5 7
sinter a
sinter a b
sinter a b c
sinter a b nothing
sinter a a
sunion a b c
sunion a nothing
sunion nothing
sdiff a b
sdiff a b c
sdiff nothing a
sdiff a nothing
sdiff a a
sinterstore d a b
smembers d
object encoding d
sunionstore d a b c
smembers d
sdiffstore d a b
smembers d
sdiffstore d a a
exists d
sinterstore d a nothing
sunionstore a a b
smembers a
set d 1
sunionstore d a
type d
sunionstore d nothing
exists d
sinterstore d
sintercard 2 a b
sintercard 2 a b limit 1
sintercard 2 a b limit 0
sintercard 2 a b limit -1
sintercard 2 a b limit abc
sintercard 2 a b limit
sintercard 2 a b foo 1
sintercard 0 a
sintercard -1 a
sintercard abc a
sintercard 3 a b
sintercard 1 nothing
sintercard 1
spop nothing
spop nothing 3
spop nothing 0
spop a 0
spop a -1
spop a abc
spop a 1 2
spop a 100
exists a
sadd a x
spop a
exists a
sadd a x y z
srandmember nothing
srandmember nothing 5
srandmember nothing -5
srandmember a
srandmember a 0
srandmember a 2
srandmember a 100
srandmember a -20
srandmember a abc
srandmember a 1 2
srandmember a -9223372036854775808
sscan a 0
sscan a 0 match x*
sscan a 0 count 1000
sscan a 0 count abc
sscan nothing 0
sscan a abc
sadd e ""
smembers e
copy a a2
smembers a2
object encoding a2
expire a2 100
sadd a2 w
ttl a2
sunionstore a2 a2 b
ttl a2
"""

LISTS = r"""
lpush l
lpush l a
lpush l b c
rpush l d e
lrange l 0 -1
lrange l 1 2
lrange l -2 -1
lrange l 5 10
lrange l 3 1
lrange l -100 100
lrange nothing 0 -1
lrange l a b
lrange l 0
llen l
llen nothing
lpushx nothing a
rpushx nothing a
lpushx l x y
rpushx l z
lrange l 0 -1
lindex l 0
lindex l -1
lindex l 100
lindex l -100
lindex nothing 0
lindex nothing abc
lindex l abc
lset l 0 first
lset l -1 last
lset l 100 x
lset l -100 x
lset nothing 0 x
lset nothing abc x
lset l abc x
lrange l 0 -1
linsert l before first zero
linsert l after last end
linsert l after nothing end
linsert nothing before a b
linsert l foo a b
linsert l AFTER c middle
lrange l 0 -1
lpop l
rpop l
lpop l 2
rpop l 2
lpop l 0
lpop l -1
lpop l abc
lpop l 1 2
lpop nothing
lpop nothing 2
lpop nothing 0
rpop nothing -1
lrange l 0 -1
lpop l 100
exists l
rpush r a b a c a d a
lrem r 2 a
lrange r 0 -1
lrem r -1 a
lrange r 0 -1
lrem r 0 a
lrange r 0 -1
lrem r 0 z
lrem nothing 0 a
lrem r abc a
lrem r 0 b
lrem r 0 c
lrem r 0 d
exists r
rpush t a b c d e f
ltrim t 1 4
lrange t 0 -1
ltrim t 0 -2
lrange t 0 -1
ltrim t -2 -1
lrange t 0 -1
ltrim t 5 10
exists t
ltrim nothing 0 1
ltrim nothing a 1
ltrim t 1 a
rpush p a b c a b c a
lpos p a
lpos p a rank 2
lpos p a rank -1
lpos p a rank -2
lpos p a rank 0
lpos p a rank abc
lpos p a rank -9223372036854775808
lpos p a count 2
lpos p a count 0
lpos p a count -1
lpos p a count 0 rank 2
lpos p a count 0 rank -1
lpos p a count 1 rank -2
lpos p a maxlen 3
lpos p a maxlen 3 count 0
lpos p a maxlen -1
lpos p a maxlen 0 count 0
lpos p c maxlen 2
lpos p a maxlen 1 rank -1
lpos p z
lpos p z count 0
lpos nothing a
lpos nothing a count 0
lpos nothing a rank 0
lpos p a foo 1
lpos p a rank
lpos p
lmove p q left right
lmove p q right left
lmove p p left right
lrange p 0 -1
lrange q 0 -1
lmove p q foo right
lmove p q left foo
lmove nothing q left right
rpoplpush p q
rpoplpush q q
lrange q 0 -1
rpoplpush nothing q
rpoplpush p nothing2
lrange nothing2 0 -1
lmpop 1 q left
lmpop 2 nothing q right count 2
lmpop 2 nothing q left count 100
lmpop 2 nothing q left
lmpop 0 q left
lmpop abc q left
lmpop 2 q left
lmpop 1 q foo
lmpop 1 q
lmpop 1 p left count
lmpop 1 p left count 0
lmpop 1 p left count abc
lmpop 1 p left count 1 count 2
lmpop 1 p left foo 1
set s 1
lpush s a
lpushx s a
lrange s 0 1
llen s
lindex s 0
lset s 0 a
lpop s
lpop s 1
lrem s 0 a
ltrim s 0 1
linsert s before a b
lpos s a
lmove s p left right
lmove p s left right
lmove nothing s left right
rpoplpush p s
lmpop 1 s left
lmpop 2 nothing s left
object encoding p
type p
rpush one x
lmove one one left right
lmove one two left right
exists one
expire two 100
rpush two y
ttl two
copy two three
lrange three 0 -1
rpush e ""
lrange e 0 -1
lpop e
"""

SORTED = r"""
zadd z
zadd z 1
zadd z 1 a
zadd z 1 a 2 b 3 c
zadd z 1 a 2
zadd z abc a
zadd z nan a
zadd z 1 a abc b
zscore z a
zscore z nothing
zscore nothing a
zadd z nx 5 a 6 d
zadd z xx 7 a 8 e
zadd z ch 9 a 10 f
zadd z nx xx 1 a
zadd z gt lt 1 a
zadd z nx gt 1 a
zadd z gt 1 a
zadd z gt 20 a
zadd z lt 30 a
zadd z lt ch 5 a
zadd z incr 5 a
zadd z incr 5 a 6 b
zadd z nx incr 5 a
zadd z xx incr 5 nothing
zadd z gt incr -5 a
zadd z lt incr 5 a
zadd z lt incr -5 a
zadd nothing xx 1 a
zadd nothing xx incr 1 a
exists nothing
zadd z foo 1 a
zadd z xx
zadd z 1.5 g +inf h -inf i
zscore z h
zscore z i
zadd z incr -inf h
zincrby z inf i
zadd z 0.1 k
zscore z k
zincrby z 0.2 k
zincrby z abc k
zincrby nothing2 1 a
zincrby z 1
zadd z 1e20 l 1e-20 m 123456789012 n 3.0 o 0x10 p
zmscore z a b nothing h k l m n o p
zmscore nothing a b
zmscore z
zcard z
zcard nothing
zrange z 0 -1
zrange z 0 -1 withscores
zrange z 1 3
zrange z -3 -1
zrange z 5 1
zrange z 100 200
zrange z -100 100
zrange z a b
zrange nothing 0 -1
zrange z 0 -1 rev
zrange z 0 2 rev withscores
zrange z 0 -1 limit 0 5
zrange z 0 -1 limit 0 -1
zrange z 0 -1 foo
zrange z 0 -1 bylex withscores
zrange z 1 5 byscore
zrange z (1 5 byscore withscores
zrange z (1 (5 byscore
zrange z -inf +inf byscore limit 1 2
zrange z -inf +inf byscore limit 1 -1
zrange z -inf +inf byscore limit -1 2
zrange z -inf +inf byscore limit 0 0
zrange z -inf +inf byscore limit 100 2
zrange z +inf -inf byscore rev
zrange z +inf -inf byscore rev limit 1 2
zrange z 5 1 byscore
zrange z a b byscore
zrange z 1 5 byscore limit a b
zrange z 1 5 byscore limit 0
zrange z 1 5 byscore bylex
zrange z 1 5 rev rev
zrange z 0 -1 withscores withscores
zrangebyscore z 1 5
zrangebyscore z 1 5 withscores
zrangebyscore z 1 5 withscores limit 1 1
zrangebyscore z -inf inf limit 0 2
zrangebyscore z (1 abc
zrangebyscore z 1 5 rev
zrangebyscore z 1
zrangebyscore nothing 1 5
zrevrangebyscore z 5 1
zrevrangebyscore z 5 (1 withscores
zrevrangebyscore z +inf -inf limit 1 3
zrevrangebyscore z 1 5
zrevrange z 0 2
zrevrange z 0 -1 withscores
zrevrange z 0 -1 limit 0 1
zcount z 1 5
zcount z (1 5
zcount z -inf +inf
zcount z 5 1
zcount z a b
zcount nothing 1 5
zrank z a
zrank z nothing
zrank nothing a
zrevrank z a
zrevrank z nothing
zadd x 0 a 0 b 0 c 0 d 0 e 0 aa 0 ""
zrangebylex x - +
zrangebylex x [b [d
zrangebylex x (b (d
zrangebylex x [b (d
zrangebylex x - [c
zrangebylex x (c +
zrangebylex x + -
zrangebylex x [d [b
zrangebylex x [b
zrangebylex x b d
zrangebylex x "" d
zrangebylex x -a +
zrangebylex x - + limit 1 2
zrangebylex x - + limit 1 -1
zrangebylex x - + withscores
zrangebylex nothing - +
zrevrangebylex x + -
zrevrangebylex x [d [b
zrevrangebylex x + - limit 1 2
zrange x [b [d bylex
zrange x + - bylex rev
zrange x [d [b bylex rev limit 0 1
zlexcount x - +
zlexcount x [b (d
zlexcount x [d [b
zlexcount x b d
zlexcount nothing - +
zrangestore d z 0 2
zrange d 0 -1 withscores
zrangestore d z 0 2 rev
zrange d 0 -1 withscores
zrangestore d z 1 5 byscore limit 0 2
zrange d 0 -1 withscores
zrangestore d x [b [d bylex
zrange d 0 -1
zrangestore d nothing 0 -1
exists d
zrangestore d z 0 -1 withscores
zrangestore d z 0
zrangestore d z a b
zrem z a nothing b
zrem z nothing
zrem nothing a
zrem z
zremrangebyrank x 0 1
zrange x 0 -1
zremrangebyrank x -1 -1
zremrangebyrank x 5 10
zremrangebyrank x a b
zremrangebyrank nothing 0 1
zremrangebylex x [b [c
zrange x 0 -1
zremrangebylex x b c
zremrangebylex x - +
exists x
zadd y 1 a 2 b 3 c 4 d 5 e
zremrangebyscore y (1 2
zremrangebyscore y a b
zremrangebyscore y 10 20
zremrangebyscore nothing 1 2
zrange y 0 -1 withscores
zremrangebyscore y -inf +inf
exists y
zadd y 1 a 2 b 3 c 4 d 5 e
zpopmin y
zpopmax y
zpopmin y 2
zpopmax y 0
zpopmin y -1
zpopmin y abc
zpopmin y 1 2
zpopmin nothing
zpopmin nothing 2
zpopmax nothing 0
zpopmax y 100
exists y
zadd y 1 a 2 b 3 c 4 d 5 e
zmpop 1 y min
zmpop 2 nothing y max count 2
zmpop 1 nothing min
zmpop 0 y min
zmpop abc y min
zmpop 2 y min
zmpop 1 y foo
zmpop 1 y min count 0
zmpop 1 y min count abc
zmpop 1 y min count 1 count 1
zmpop 1 y min foo 1
zmpop 1 y
zmpop 1 y min count 100
exists y
zadd a 1 x 2 y 3 z
zadd b 10 y 20 z 30 w
sadd s y z q
zunion 2 a b
zunion 2 a b withscores
zunion 2 a b weights 2 3 withscores
zunion 2 a b aggregate min withscores
zunion 2 a b aggregate max withscores
zunion 2 a b aggregate sum weights 1 -1 withscores
zunion 2 a s withscores
zunion 3 a b nothing withscores
zunion 2 a b weights inf 0 withscores
zunion 2 a b weights a 1
zunion 2 a b weights 1
zunion 2 a b aggregate foo
zunion 2 a b foo
zunion 0 a
zunion -1 a
zunion abc a
zunion 3 a b
zunion 1 nothing
zinter 2 a b
zinter 2 a b withscores
zinter 2 a b weights 2 3 aggregate max withscores
zinter 2 a s withscores
zinter 2 a nothing
zinter 2 a a withscores
zinter 0 a
zdiff 2 a b
zdiff 2 a b withscores
zdiff 2 a nothing withscores
zdiff 2 nothing a
zdiff 2 a a
zdiff 2 a s
zdiff 2 a b weights 1 1
zdiff 0 a
zunionstore d 2 a b
zrange d 0 -1 withscores
zunionstore d 2 a b weights 1 2 aggregate min
zrange d 0 -1 withscores
zunionstore d 2 a b withscores
zinterstore d 2 a b
zrange d 0 -1 withscores
zinterstore d 2 a nothing
exists d
zdiffstore d 2 a b
zrange d 0 -1 withscores
zdiffstore d 2 a a
exists d
zunionstore a 2 a b
zrange a 0 -1 withscores
zunionstore d 0 a
zunionstore d 2 a
zintercard 2 a b
zintercard 2 a b limit 1
zintercard 2 a b limit 0
zintercard 2 a b limit -1
zintercard 2 a b limit
zintercard 2 a b foo
zintercard 0 a
zadd i1 inf a
zadd i2 -inf a
zunion 2 i1 i2 withscores
zinter 2 i1 i2 withscores
zrandmember nothing
zrandmember nothing 3
zrandmember nothing -3
zrandmember a
zrandmember a 0
zrandmember a 2
zrandmember a 100
zrandmember a 100 withscores
zrandmember a -20
zrandmember a -20 withscores
zrandmember a abc
zrandmember a 1 foo
zrandmember a 1 withscores foo
zscan a 0
zscan a 0 match x*
zscan a 0 count 0
zscan nothing 0
zscan a abc
set str 1
zadd str 1 a
zincrby str 1 a
zscore str a
zcard str
zrange str 0 -1
zrangebyscore str 0 1
zrangebyscore str a 1
zcount str 0 1
zrank str a
zrem str a
zpopmin str
zpopmin str 0
zmpop 1 str min
zunion 2 a str
zunionstore d 2 a str
zinter 2 nothing str
zdiff 1 str
zrandmember str
zscan str 0
zrangestore d str 0 1
zremrangebyrank str 0 1
zlexcount str - +
zmscore str a
sadd zz 1
zadd zz 1 a
object encoding a
type a
zadd longs 1 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
object encoding longs
zadd longs 1 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
object encoding longs
zadd negative -0.0 a 0 b
zrange negative 0 -1 withscores
zadd "infinity" infinity a
zscore infinity a
expire a 100
zadd a 1 new
ttl a
copy a copied
zrange copied 0 -1 withscores
ttl copied
"""
