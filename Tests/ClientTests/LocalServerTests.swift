/// Private servers: they start, restart, freeze and leave nothing behind.
import Glibc
import LocalServers
import Testing

@Suite struct LocalServerTests {
    @Test func `a command gives its status and output`() throws {
        let result = try Command.run(["sh", "-c", "cat; echo to error >&2; exit 3"], input: "from input\n")
        #expect(result.status == .exited(3))
        #expect(result.output == "from input\nto error\n")
    }

    @Test func `a command that takes too long is ended`() throws {
        let result = try Command.run(["sh", "-c", "tail -f /dev/null; true"], within: .milliseconds(50))
        #expect(result.status == nil)
    }

    @Test func `a child that is already over is still a child`() throws {
        for _ in 0..<20 { #expect(try Command.run(["true"]).status == .exited(0)) }
    }

    @Test func `a program that does not exist is a typed error`() {
        #expect(throws: LocalServerError.self) { try ChildProcess(["/nowhere/at/all"], diesWithUs: nil) }
    }

    @Test func `a child that ignores the polite signal is ended by SIGKILL`() throws {
        let child = try ChildProcess(["sh", "-c", "trap '' TERM; echo ready; exec tail -f /dev/null"])
        #expect(child.waitForOutput("ready"))
        #expect(child.terminate(grace: .milliseconds(50)) == .signalled(SIGKILL))
    }

    @Test func `working directory and environment reach the child`() throws {
        let directory = try TemporaryDirectory()
        defer { directory.remove() }
        let result = try Command.run(
            ["sh", "-c", "pwd; echo $GREETING $HOME"], environment: ["GREETING": "hello", "HOME": nil],
            workingDirectory: directory.path)
        #expect(result.output == "\(directory.path)\nhello\n")
    }

    @Test func `Redis starts, is killed, comes back empty and leaves nothing`() throws {
        let redis = try LocalRedis.start()
        let first = redis.processID
        #expect(try Command.runChecked(["redis-cli", "-s", redis.socketPath, "SET", "a", "1"]) == "OK\n")
        redis.kill()
        #expect(!redis.isRunning)
        try redis.restart()
        #expect(redis.processID != first)
        #expect(try Command.runChecked(["redis-cli", "-s", redis.socketPath, "EXISTS", "a"]) == "0\n")
        let second = redis.processID
        redis.stop()
        #expect(access("/proc/\(second)", F_OK) != 0)
        #expect(access(redis.socketPath, F_OK) != 0)
    }

    @Test func `Redis in a directory that is too deep says so`() {
        #expect(throws: LocalServerError.socketPathTooLong("/tmp/\(String(repeating: "d", count: 100))/redis.sock")) {
            try LocalRedis.start(directory: "/tmp/\(String(repeating: "d", count: 100))")
        }
        rmdir("/tmp/\(String(repeating: "d", count: 100))")
    }

    @Test func `Postgres keeps its rows over every way to end it`() throws {
        let postgres = try LocalPostgres.start()
        defer { postgres.remove() }
        try postgres.createDatabase("tracking")
        try postgres.psql("CREATE TABLE t (n int); INSERT INTO t VALUES (1)", database: "tracking")
        postgres.stop(.fast)
        #expect(!postgres.isRunning)
        try postgres.start()
        try postgres.psql("INSERT INTO t VALUES (2)", database: "tracking")
        postgres.stop(.immediate)
        try postgres.start()
        try postgres.psql("INSERT INTO t VALUES (3)", database: "tracking")
        postgres.kill()
        try postgres.start()
        #expect(try postgres.psql("SELECT count(*), sum(n) FROM t", database: "tracking") == "3|6")
        let process = try #require(postgres.processID)
        postgres.remove()
        #expect(access("/proc/\(process)", F_OK) != 0)
        #expect(access(postgres.socketDirectory, F_OK) != 0)
    }

    @Test func `a frozen Postgres answers only after it is thawed`() throws {
        let postgres = try LocalPostgres.start()
        defer { postgres.remove() }
        postgres.freeze()
        #expect(throws: LocalServerError.self) { try postgres.psql("SELECT 1", within: .milliseconds(300)) }
        postgres.thaw()
        #expect(try postgres.psql("SELECT 1") == "1")
    }

    @Test func `Postgres below a directory of ours is there, below a closed one it says why not`() throws {
        let directory = try TemporaryDirectory()
        defer { directory.remove() }
        let postgres = try LocalPostgres.start(directory: "\(directory.path)/deeper/pg", durable: true)
        #expect(try postgres.psql("SHOW fsync") == "on")
        postgres.stop()
        if geteuid() == 0 {
            chmod(directory.path, 0o700)
            let error = #expect(throws: LocalServerError.self) {
                try LocalPostgres.start(directory: "\(directory.path)/deeper/other")
            }
            #expect(error?.description.contains("cannot reach it") == true)
        }
    }

    @Test func `wrong SQL is an error with the server's words`() throws {
        let postgres = try LocalPostgres.start()
        defer { postgres.remove() }
        let error = try #require(throws: LocalServerError.self) { try postgres.psql("SELECT nonsense") }
        #expect(error.description.contains("column \"nonsense\" does not exist"))
    }
}
