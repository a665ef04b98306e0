/// The servers that Drover is put beside. Each has a folder in `bench/peers` with a script that starts it.

struct Peer: Sendable {
    /// Its folder, and its name in what `bench/peers/setup` prints.
    let folder: String
    let title: String
    /// What it leaves out of Drover's job, in a few words for the table.
    let lacks: String
    /// Everything else that makes the comparison unequal, either way.
    let remark: String
    /// The goals that its figures are the floor of.
    var ingestGoal: String?
    var fanoutGoal: String?
    /// Whether it writes to Redis and Postgres.
    var hasStores = false
    /// Pings a second in the fan-out, of all drivers together: what it can take.
    var fanoutRate = 2_000.0
    let ingest: @Sendable (_ port: Int) -> any Dialect
    let fanout: @Sendable (_ port: Int) -> any Dialect

    static let all = [nchan, nats, mosquitto, socketify, fastapi]

    static let nchan = Peer(
        folder: "nchan", title: "nchan", lacks: "keeps nothing, checks nothing, has no newest position",
        remark: """
            one nginx worker; its messages are not stored, which is its fastest; every message is answered in 110 bytes \
            that say published, not durable; no credentials; CPU of master and worker
            """,
        fanoutGoal: "fanout.nchan", ingest: Nchan.init, fanout: Nchan.init)

    static let nats = Peer(
        folder: "nats", title: "NATS", lacks: "keeps nothing, checks nothing, has no newest position",
        remark: """
            core NATS neither acknowledges nor persists: for ingest it is asked for +OK (verbose), which says received; \
            in the fan-out it answers nothing; no JetStream, no credentials; GOMAXPROCS=1
            """,
        fanoutGoal: "fanout.nats", ingest: { NATS(port: $0, acknowledges: true) },
        fanout: { NATS(port: $0, acknowledges: false) })

    static let mosquitto = Peer(
        folder: "mosquitto", title: "Mosquitto", lacks: "keeps nothing, checks nothing, has no newest position",
        remark: """
            MQTT over TCP, as Debian's has no WebSocket: smaller frames, no mask; QoS 1 in, and its PUBACK is not durable, \
            as persistence is off by default; QoS 0 out; no credentials
            """,
        ingest: MQTT.init, fanout: MQTT.init)

    static let socketify = Peer(
        folder: "socketify", title: "uWebSockets", lacks: "keeps nothing, checks nothing, has no newest position",
        remark: """
            through socketify: a Python callback a ping, the fan-out in C++ on libuv; its acknowledgement says published, \
            not durable; its loop uses some 2 % of a core when idle; no credentials
            """,
        ingest: Socketify.init, fanout: Socketify.init)

    static let fastapi = Peer(
        folder: "fastapi", title: "FastAPI", lacks: "the same job, with fewer rules",
        remark: """
            uvicorn on uvloop, one worker; Redis and Postgres as Drover has them, their CPU not counted on either side; \
            durable by Postgres' commit once in 100 ms, where Drover has a journal; rejections are not told, no \
            credentials, no cursors, one table without partitions; its gateway's fan-out is measured at 300 pings a second
            """,
        ingestGoal: "peer.fastapi", hasStores: true, fanoutRate: 300, ingest: FastAPI.init, fanout: FastAPI.init)
}
