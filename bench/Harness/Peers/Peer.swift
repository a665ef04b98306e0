/// The servers that Drover is put beside. Each has a folder in `bench/peers` with a script that starts it.

struct Peer: Sendable {
    /// Its folder, and its name in what `bench/peers/setup` prints.
    let folder: String
    let title: String
    /// What the table says of its part of Drover's job.
    let job: String
    /// Everything that makes the comparison unequal, either way.
    let remark: String
    /// What follows port and directory when it is started.
    var arguments: [String] = []
    /// Pings a second in the ingest and in the fan-out, of all drivers together: at most some 60 % of its core. Nil
    /// leaves the fan-out out.
    var ingestRate = 5_000.0
    var fanoutRate: Double? = 2_000.0
    /// The goals that its figures are the floor of.
    var ingestGoal: String?
    var fanoutGoal: String?
    /// Whether it writes to Redis and Postgres.
    var hasStores = false
    let ingest: @Sendable (_ port: Int) -> any Dialect
    let fanout: @Sendable (_ port: Int) -> any Dialect

    private static let passesOn = "passes on, keeps nothing, checks nothing"

    static let all = [
        Peer(
            folder: "nchan", title: "nchan", job: passesOn,
            remark: """
                one nginx worker; messages are not stored, which is its fastest, so that it has no newest position; each is \
                answered in some 110 bytes that say published, not durable; no credentials; CPU of master and worker
                """,
            fanoutGoal: "fanout.nchan", ingest: Nchan.init, fanout: Nchan.init),
        Peer(
            folder: "nats", title: "NATS", job: passesOn,
            remark: """
                core NATS neither acknowledges nor persists: for the ingest it is asked for +OK (verbose), which says \
                received, in the fan-out for nothing; no JetStream, so no newest position; no credentials; GOMAXPROCS=1
                """,
            fanoutGoal: "fanout.nats", ingest: { NATS(port: $0, acknowledges: true) },
            fanout: { NATS(port: $0, acknowledges: false) }),
        Peer(
            folder: "mosquitto", title: "Mosquitto", job: passesOn,
            remark: """
                MQTT over TCP, as Debian's has no WebSocket: smaller frames, no mask; QoS 1 in, its PUBACK is not durable, \
                as persistence is off by default; QoS 0 out; it could retain a newest position, which is not asked for; \
                no credentials
                """,
            ingest: MQTT.init, fanout: MQTT.init),
        Peer(
            folder: "socketify", title: "uWebSockets", job: passesOn,
            remark: """
                through socketify: a Python callback a ping, the fan-out in C++, on libuv; its acknowledgement says \
                published, not durable; it has no newest position; no credentials
                """,
            ingest: Socketify.init, fanout: Socketify.init),
        Peer(
            folder: "fastapi", title: "FastAPI", job: "does the same job in batches",
            remark: "everything batched as far as asyncio goes; \(python)", fanoutRate: 300,
            ingestGoal: "peer.fastapi", hasStores: true, ingest: FastAPI.init, fanout: FastAPI.init),
        Peer(
            folder: "fastapi", title: "FastAPI, plain", job: "does the same job, a pipeline and an INSERT a ping",
            remark: "as it is written first, ten connections to each store; \(python)", arguments: ["plain"],
            ingestRate: 800, fanoutRate: nil, hasStores: true, ingest: FastAPI.init, fanout: FastAPI.init),
    ]

    private static let python = """
        uvicorn on uvloop, one worker; the same Redis and Postgres, whose CPU is not in the gateways' figures; durable means \
        Postgres' commit, whose fsync is off here, where Drover syncs its journal; fewer rules, rejections are not told, no \
        credentials, no cursors, one table without partitions
        """
}
