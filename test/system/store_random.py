"""Commands made up from a seed: few keys and small values, so that they meet; now and then a value that grows past the bounds at which its form changes."""

import random

KEYS = ["a", "b", "c", "d"]
WORDS = ["", "0", "1", "2", "3", "-1", "10", "x", "y", "zz", "hello", "01", "1.5", "9223372036854775807"]
MEMBERS = [str(n) for n in range(12)] + ["m", "n", "o", "pp"]
SCORES = ["0", "1", "2", "3.5", "-1", "10", "inf", "-inf", "7", "100"]


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.waiting = []

    def pick(self, *choices):
        return self.random.choice(choices)

    def key(self):
        return self.random.choice(KEYS)

    def word(self):
        return self.random.choice(WORDS)

    def member(self):
        return self.random.choice(MEMBERS)

    def members(self, most=4):
        return [self.member() for _ in range(self.random.randint(1, most))]

    def score(self):
        return self.random.choice(SCORES)

    def index(self):
        return self.random.randint(-6, 6)

    def many(self, what):
        """Enough elements to change the form of a value, made from a number."""
        count = self.random.choice([100, 129, 140, 520])
        return [each for n in range(count) for each in what(n)]

    def maybe(self, *words, chance=0.3):
        return list(words) if self.random.random() < chance else []

    # ---- groups ----

    def string(self):
        key, word = self.key(), self.word()
        return self.pick(
            ["set", key, word, *self.maybe(self.pick("nx", "xx")), *self.maybe("get"), *self.maybe("ex", 1000)],
            ["set", key, word, "keepttl"],
            ["get", key],
            ["getset", key, word],
            ["getdel", key],
            ["getex", key, *self.maybe("ex", 500), *self.maybe("persist")],
            ["setnx", key, word],
            ["setex", key, 1000, word],
            ["append", key, word],
            ["append", key, "w" * self.random.choice([10, 100, 1000])],
            ["strlen", key],
            ["incr", key],
            ["decrby", key, self.index()],
            ["incrby", key, word],
            ["incrbyfloat", key, self.pick("0.5", "1", "-2.25", "x")],
            ["setrange", key, self.random.randint(0, 40), word],
            ["getrange", key, self.index(), self.index()],
            ["mset", key, word, self.key(), self.word()],
            ["msetnx", key, word, self.key(), self.word()],
            ["mget", key, self.key(), self.key()],
        )

    def any_key(self):
        key = self.key()
        return self.pick(
            ["del", key],
            ["unlink", key, self.key()],
            ["exists", key, self.key()],
            ["type", key],
            ["rename", key, self.key()],
            ["renamenx", key, self.key()],
            ["copy", key, self.key(), *self.maybe("replace", chance=0.7)],
            ["expire", key, self.pick(100, 1000, 5000, -1), *self.maybe(self.pick("nx", "xx", "gt", "lt"))],
            ["pexpire", key, 1000000],
            ["persist", key],
            ["ttl", key],
            ["pttl", key],
            ["object", "encoding", key],
            ["dbsize"],
            ["touch", key],
            ["scan", 0, "count", 1000, *self.maybe("match", "[a-c]"), *self.maybe("type", self.pick("hash", "zset"))],
            ["keys", "*"],
        )

    def hash(self):
        key, field = self.key(), self.member()
        return self.pick(
            ["hset", key, field, self.word(), self.member(), self.word()],
            ["hset", key, *self.many(lambda n: (f"f{n}", n))],
            ["hset", key, field, "v" * self.random.choice([60, 64, 65, 100])],
            ["hsetnx", key, field, self.word()],
            ["hget", key, field],
            ["hmget", key, *self.members()],
            ["hdel", key, *self.members()],
            ["hgetall", key],
            ["hkeys", key],
            ["hvals", key],
            ["hlen", key],
            ["hstrlen", key, field],
            ["hexists", key, field],
            ["hincrby", key, field, self.index()],
            ["hincrbyfloat", key, field, "0.25"],
            ["hrandfield", key, self.pick(0, 1000, -5), *self.maybe("withvalues")],
            ["hscan", key, 0, "count", 100000, *self.maybe("match", "f1*")],
        )

    def set(self):
        key = self.key()
        made = self.pick(
            ["sadd", key, *self.members()],
            ["sadd", key, *self.many(lambda n: (n,))],
            ["sadd", key, *self.many(lambda n: (f"s{n}",))],
            ["srem", key, *self.members()],
            ["smembers", key],
            ["scard", key],
            ["sismember", key, self.member()],
            ["smismember", key, *self.members()],
            ["smove", key, self.key(), self.member()],
            [self.pick("sinter", "sunion", "sdiff"), key, self.key(), *self.maybe(self.key())],
            [self.pick("sinterstore", "sunionstore", "sdiffstore"), self.key(), key, self.key()],
            ["sintercard", 2, key, self.key(), *self.maybe("limit", 2)],
            ["srandmember", key, self.pick(0, 1000, -3)],
            ["sscan", key, 0, "count", 100000],
            ["spop", key, self.pick(0, 3, 1000)],
            ["spop", key],
        )
        if made[0] == "spop":  # what is left is each server's own
            self.waiting.append(["del", key])
        return made

    def list(self):
        key, word = self.key(), self.member()
        return self.pick(
            [self.pick("lpush", "rpush", "lpushx", "rpushx"), key, *self.members()],
            ["rpush", key, *self.many(lambda n: (n % 20,))],
            ["lpush", key, "l" * self.random.choice([100, 5000])],
            [self.pick("lpop", "rpop"), key, *self.maybe(self.random.randint(0, 4))],
            ["llen", key],
            ["lrange", key, self.index(), self.index()],
            ["lrange", key, 0, -1],
            ["lindex", key, self.random.randint(-200, 200)],
            ["lset", key, self.random.randint(-150, 150), word],
            ["lset", key, self.index(), "L" * 3000],
            ["linsert", key, self.pick("before", "after"), self.member(), self.pick(word, "i" * 2000)],
            ["lrem", key, self.random.randint(-3, 3), word],
            ["ltrim", key, self.random.randint(-3, 3), self.pick(-1, -2, 100, 5)],
            ["lpos", key, word, *self.maybe("rank", self.pick(1, 2, -1, -3)), *self.maybe("count", self.pick(0, 2)),
             *self.maybe("maxlen", 50)],
            ["lmove", key, self.key(), self.pick("left", "right"), self.pick("left", "right")],
            ["rpoplpush", key, self.key()],
            ["lmpop", 2, key, self.key(), self.pick("left", "right"), *self.maybe("count", 3)],
        )

    def sorted(self):
        key, member, score = self.key(), self.member(), self.score()
        low, high = self.pick("-inf", "0", "(1", "2"), self.pick("+inf", "(10", "7", "3.5")
        two = [2, key, self.key()]
        weights = ["weights", self.pick(1, 2, 0.5), self.pick(0, 3)]
        aggregate = ["aggregate", self.pick("sum", "min", "max")]
        return self.pick(
            ["zadd", key, *self.maybe(self.pick("nx", "xx", "gt", "lt")), *self.maybe("ch"), score, member, self.score(),
             self.member()],
            ["zadd", key, *self.maybe(self.pick("nx", "xx", "gt", "lt")), "incr", score, member],
            ["zadd", key, *self.many(lambda n: (n % 30, f"z{n}"))],
            ["zadd", key, "4", "z" * self.random.choice([64, 65])],
            ["zincrby", key, score, member],
            ["zrem", key, *self.members()],
            ["zscore", key, member],
            ["zmscore", key, *self.members()],
            ["zcard", key],
            ["zcount", key, low, high],
            [self.pick("zrank", "zrevrank"), key, member],
            ["zrange", key, self.index(), self.index(), *self.maybe("rev"), *self.maybe("withscores")],
            ["zrange", key, low, high, "byscore", *self.maybe("limit", self.pick(0, 1, 50), self.pick(-1, 3)),
             *self.maybe("withscores")],
            ["zrevrangebyscore", key, high, low, *self.maybe("withscores")],
            ["zrange", key, 0, -1, "withscores"],
            ["zrangestore", self.key(), key, low, high, "byscore", *self.maybe("limit", 1, 100)],
            [self.pick("zpopmin", "zpopmax"), key, *self.maybe(self.random.randint(0, 4))],
            ["zmpop", 2, key, self.key(), self.pick("min", "max"), *self.maybe("count", 2)],
            ["zremrangebyrank", key, self.index(), self.index()],
            ["zremrangebyscore", key, low, high],
            [self.pick("zunion", "zinter"), *two, *self.maybe(*weights), *self.maybe(*aggregate), *self.maybe("withscores")],
            ["zdiff", *two, *self.maybe("withscores")],
            [self.pick("zunionstore", "zinterstore"), self.key(), *two, *self.maybe(*weights), *self.maybe(*aggregate)],
            ["zdiffstore", self.key(), *two],
            ["zintercard", *two, *self.maybe("limit", 2)],
            ["zrandmember", key, self.pick(0, 1000, -3), *self.maybe("withscores")],
            ["zscan", key, 0, "count", 100000],
            ["zrange", key, self.pick("-", "[m", "(3"), self.pick("+", "[zz", "(n"), "bylex", "limit", 0, 0],
        )

    def members_alone(self):
        """Of a key whose scores are all the same."""
        low, high = self.pick("-", "[m", "(3", "[1", "+"), self.pick("+", "[zz", "(n", "[5", "-")
        return self.pick(
            ["zadd", "lex", 0, self.member(), 0, self.member()],
            ["zadd", "lex", *self.many(lambda n: (0, f"m{n}"))],
            ["zrem", "lex", *self.members()],
            ["zrangebylex", "lex", low, high, *self.maybe("limit", self.pick(0, 2), self.pick(-1, 3))],
            ["zrevrangebylex", "lex", high, low, *self.maybe("limit", self.pick(0, 2), self.pick(-1, 3))],
            ["zlexcount", "lex", low, high],
            ["zremrangebylex", "lex", "(m5", "[m7"],
            ["zremrangebylex", "lex", "[1", "[2"],
            ["zrangestore", "lex2", "lex", low, high, "bylex"],
            ["zrange", "lex2", 0, -1],
        )

    def next(self):
        if self.waiting:
            return self.waiting.pop()
        group = self.pick(self.string, self.any_key, self.hash, self.set, self.list, self.sorted, self.members_alone)
        return group()


def commands(seed, count):
    maker = Maker(seed)
    made = [["flushall"]]
    while len(made) < count:
        # What follows on one kind of value for a while finds more of it.
        group = maker.pick(
            maker.next, maker.string, maker.any_key, maker.hash, maker.set, maker.list, maker.sorted, maker.members_alone
        )
        for _ in range(maker.random.randint(5, 40)):
            made.append(maker.waiting.pop() if maker.waiting else group())
        made.append(["del", maker.key()])
    return made
