// Several workers behind one port: they share the load, answer for each other, and are looked after.

import DroverClient
import Foundation
import LocalServers
import Testing

extension RunningGateway {
    /// The supervisor's configuration for so many workers.
    static func workers(_ count: Int, settings: [String: String] = [:]) throws -> RunningGateway {
        try RunningGateway(settings: settings.merging(["workers": "\(count)"]) { $1 })
    }

    /// The process of each worker, as the log has it last.
    func workerProcesses() -> [Int: pid_t] {
        var processes: [Int: pid_t] = [:]
        for match in log.matches(of: #/process=(\d+) worker=(\d+)\b.*a worker starts/#) {
            processes[Int(match.2) ?? -1] = pid_t(match.1)
        }
        return processes
    }

    /// How often the log holds a text.
    func logged(_ text: String) -> Int {
        log.components(separatedBy: text).count - 1
    }
}

/// Whether a process is there, and is no zombie.
private func isAlive(_ process: pid_t) -> Bool {
    guard let state = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return false }
    return state.split(separator: ")").last?.split(separator: " ").first != "Z"
}

/// How many sockets a process has open.
private func sockets(of process: pid_t) -> Int {
    let directory = "/proc/\(process)/fd"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    return names.count {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\($0)"))?.hasPrefix("socket:") == true
    }
}

extension Integration {
    @Suite("Several workers")
    struct Workers {
        @Test func `each of them gets connections`() throws {
            let gateway = try RunningGateway.workers(3)
            let processes = gateway.workerProcesses()
            #expect(processes.count == 3)
            try gateway.awaitStores()
            let before = processes.mapValues { sockets(of: $0) }
            // That one of three gets none of sixty is less likely than one in ten thousand million.
            let streams = try (0..<60).map { _ in try ByteStream(port: gateway.port) }
            for stream in streams {
                stream.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try stream.takeReply()?.status == 200)
            }
            for (worker, process) in processes {
                #expect(sockets(of: process) > (before[worker] ?? 0), "worker \(worker)")
            }
        }

        @Test func `a worker that is killed is back, and what was acknowledged is in Postgres once`() throws {
            let gateway = try RunningGateway.workers(3)
            let key = try gateway.key()
            try gateway.awaitStores()
            var sent: [Int64] = []
            let at = now() - 600_000
            for round in 0..<6 {
                let devices = try (0..<6).map { _ in try gateway.ingest(key) }
                for (index, device) in devices.enumerated() {
                    let time = at + Int64(round * 6 + index) * 1_000
                    device.send(TestPing.array([TestPing("van-1", at: time)]))
                    #expect(try device.json(with: "ack")["ack"].integer == 1)
                    sent.append(time)
                }
                let victim = try #require(gateway.workerProcesses()[round % 3])
                let ready = gateway.logged("a worker is ready")
                kill(victim, SIGKILL)
                try eventually("it is back") { gateway.logged("a worker is ready") > ready }
            }
            try gateway.awaitHistory()
            let rows = try gateway.sql(
                "SELECT (extract(epoch FROM recorded_at) * 1000)::bigint FROM driver_location_events ORDER BY 1")
            #expect(rows == sent.map { "\($0)" })
            #expect(gateway.logged("by=signal 9") == 6)
            #expect(try gateway.metric("drover_worker_restarts_total") == 6)
        }

        @Test func `no connect is refused while workers die`() throws {
            let gateway = try RunningGateway.workers(2)
            var answered = 0
            for round in 0..<4 {
                let ready = gateway.logged("a worker is ready")
                kill(try #require(gateway.workerProcesses()[round % 2]), SIGKILL)
                while gateway.logged("a worker is ready") == ready {
                    let stream = try ByteStream(port: gateway.port)
                    stream.send("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                    // What the dying one had accepted goes with it.
                    guard let reply = try stream.takeReply() else { continue }
                    #expect(reply.status == 200)
                    answered += 1
                }
            }
            #expect(answered > 10)
        }

        @Test func `a signal ends all in order`() throws {
            let gateway = try RunningGateway.workers(3)
            let key = try gateway.key()
            try gateway.awaitStores()
            let devices = try (0..<12).map { _ in try gateway.ingest(key) }
            for (index, device) in devices.enumerated() {
                device.send(TestPing("van-\(index)", at: now()).json)
                #expect(try device.json(with: "ack")["ack"].integer == 1)
            }
            let processes = gateway.workerProcesses()
            #expect(gateway.stop(within: .seconds(5)) == .exited(0))
            for device in devices { #expect(try device.closure().code == 1001) }
            for process in processes.values { #expect(!isAlive(process)) }
            #expect(try gateway.count("SELECT count(*) FROM driver_location_events") == 12)
            #expect(gateway.logged("journal_flushed=true") == 3)
        }

        @Test func `a second signal ends all at once`() throws {
            let gateway = try RunningGateway.workers(2)
            let key = try gateway.key()
            let processes = gateway.workerProcesses()
            // Who does not answer keeps the first stop waiting, on either worker.
            let viewers = try (0..<8).map { _ in try gateway.viewer(key) }
            gateway.process?.signal(SIGTERM)
            try eventually("the first is heard") { gateway.log.contains("stopping") }
            gateway.process?.signal(SIGTERM)
            #expect(gateway.process?.wait(.seconds(5)) == .exited(1))
            for process in processes.values { try eventually("it has ended") { !isAlive(process) } }
            #expect(try viewers.allSatisfy { [1001, 1006].contains(try $0.closure().code) })
        }

        @Test func `workers end in order when their supervisor is gone`() throws {
            let gateway = try RunningGateway.workers(2)
            let processes = gateway.workerProcesses()
            #expect(processes.count == 2)
            gateway.kill()
            for process in processes.values { try eventually("it ends", within: 6) { !isAlive(process) } }
            #expect(gateway.logged("the supervisor is gone") == 2)
            #expect(gateway.logged("journal_flushed=true") == 2)
        }

        @Test func `a worker that was told to end by somebody else is started again`() throws {
            let gateway = try RunningGateway.workers(2)
            let first = try #require(gateway.workerProcesses()[1])
            kill(first, SIGTERM)
            try eventually("another is there") { gateway.workerProcesses()[1] != first }
            try eventually("it is ready") { gateway.logged("a worker is ready") == 3 }
            #expect(try gateway.http("GET", "/readyz").status == 200)
        }

        @Test(arguments: ["1", "2"])
        func `a port that workers serve is refused to others`(workers: String) throws {
            let gateway = try RunningGateway.workers(2)
            gateway.set("journal.directory", gateway.directory.path + "/other")
            let second = try gateway.drover("serve", "--workers", workers, within: .seconds(20))
            #expect(second.status == .exited(1))
            #expect(second.output.contains("cannot listen on 127.0.0.1:\(gateway.port)"), "\(second.output)")
            #expect(try gateway.http("GET", "/healthz").status == 200)
        }

        @Test func `a start that cannot succeed ends with a clear word`() throws {
            let gateway = try RunningGateway(starts: false)
            gateway.set("web.tls_certificate", "/nowhere/certificate.pem")
            let result = try gateway.drover("serve", "--workers", "2", within: .seconds(20))
            #expect(result.status == .exited(1))
            #expect(result.output.contains("/nowhere/certificate.pem"), "\(result.output)")
        }

        // MARK: Answers for all

        @Test func `metrics add up, and stay when a worker is replaced`() throws {
            let gateway = try RunningGateway.workers(3)
            let key = try gateway.key()
            try gateway.awaitStores()
            for index in 0..<30 {
                try gateway.post([TestPing("van-\(index)", at: now() - 1_000)], token: key)
            }
            try gateway.awaitHistory()
            try gateway.expectConservation()
            #expect(try gateway.metric("drover_pings_received_total") == 30)
            #expect(try gateway.metric("drover_workers{state=\"ready\"}") == 3)
            #expect(try gateway.metric("drover_ready") == 1)
            let document = try gateway.http("GET", "/metrics?format=ndjson").text
            #expect(document.contains("\"metric_type\":\"drover_pings_received_total\",\"value\":30,"))
            #expect(!document.contains("MERGE"))
            #expect(try !gateway.http("GET", "/metrics").text.contains("MERGE"))
            #expect(try gateway.http("GET", "/metrics?format=exchange").status == 400)
            gateway.process?.signal(SIGHUP)
            try eventually("all were replaced") { gateway.log.contains("all workers were replaced") }
            try gateway.awaitStores()
            #expect(try gateway.metric("drover_pings_received_total") == 30)
            #expect(try gateway.metric("drover_history_rows_total{outcome=\"inserted\"}") == 30)
            try gateway.expectConservation()
            let gone = try #require(gateway.workerProcesses()[2])
            kill(gone, SIGKILL)
            try eventually("it is noticed") { gateway.log.contains("by=signal 9") }
            #expect(try gateway.metric("drover_pings_received_total") == 30)
        }

        @Test func `a worker that does not answer is named, and the others are ready`() throws {
            let gateway = try RunningGateway.workers(2)
            try gateway.awaitStores()
            let frozen = try #require(gateway.workerProcesses()[1])
            kill(frozen, SIGSTOP)
            defer { kill(frozen, SIGCONT) }
            // Of the connections the kernel gives half to the frozen one; those wait.
            let reply: JSON = try awaitValue("an answer of the other", within: 60) {
                let stream = try ByteStream(port: gateway.port)
                stream.send("GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                guard let reply = try? stream.takeReply(within: 3) else { return nil }
                #expect(reply.status == 200)
                return try JSON(parsing: reply.body)
            }
            #expect(reply["ready"].flag == true)
            #expect(reply["degraded"]["workers"].string == "worker 1 is silent")
            kill(frozen, SIGCONT)
            try gateway.awaitStores()
        }
    }
}
