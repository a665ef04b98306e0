// What may stand in DROVER_REDIS_URL, and what is said about everything else.

import RedisClient
import Testing

@Suite struct DeploymentTests {
    private func tcp(_ address: RedisAddress) -> String {
        if case .tcp(let host, let port) = address.endpoint { "\(host) \(port)" } else { "no TCP" }
    }

    @Test func `one server, as it always was`() throws {
        guard case .servers(let servers) = try RedisDeployment("redis://gate:p%40ss@store:7001/3") else {
            Issue.record("no servers")
            return
        }
        #expect(servers.map(tcp) == ["store 7001"])
        #expect(servers[0].user == "gate" && servers[0].password == "p@ss" && servers[0].database == 3)
        #expect(
            try RedisDeployment("unix:///run/redis.sock?db=2")
                == .servers([RedisAddress("unix:///run/redis.sock?db=2")]))
        #expect(try RedisDeployment("redis://").display == "redis://127.0.0.1:6379/0")
    }

    @Test func `several servers share the credentials and the database`() throws {
        guard case .servers(let servers) = try RedisDeployment("redis://:secret@a,b:7001,[::1]:7002/4") else {
            Issue.record("no servers")
            return
        }
        #expect(servers.map(tcp) == ["a 6379", "b 7001", "::1 7002"])
        #expect(servers.allSatisfy { $0.password == "secret" && $0.user == nil && $0.database == 4 })
    }

    @Test func `Sentinels name the primary, whose database it is`() throws {
        let deployment = try RedisDeployment("redis-sentinel://gate:pw@a,b:5000/main/2")
        guard case .sentinels(let sentinels, let name, let template) = deployment else {
            Issue.record("no Sentinels")
            return
        }
        #expect(sentinels.map(tcp) == ["a 26379", "b 5000"])
        #expect(sentinels.allSatisfy { $0.database == 0 && $0.password == "pw" })
        #expect(name == "main")
        #expect(template.database == 2 && template.user == "gate" && template.password == "pw")
        #expect(deployment.display == "redis-sentinel://a:26379,b:5000/main/2")
    }

    @Test func `a cluster is known by some of its nodes`() throws {
        guard case .cluster(let nodes) = try RedisDeployment("redis-cluster://:pw@a:7000,b") else {
            Issue.record("no cluster")
            return
        }
        #expect(nodes.map(tcp) == ["a 7000", "b 6379"])
        #expect(nodes.allSatisfy { $0.password == "pw" })
    }

    @Test(arguments: [
        ("rediss://:s3cret@host", "stunnel"), ("http://:s3cret@host", "redis://[user"),
        ("redis://:s3cret@host:port", "redis://[user"), ("redis://:s3cret@a:1,b:x", "redis://[user"),
        ("redis://:s3cret@a:0", "redis://[user"), ("redis://:s3cret@a/1/2", "redis://[user"),
        ("redis://:s3cret@a/first", "redis://[user"), ("redis-cluster://:s3cret@a:7000/1", "no databases"),
        ("redis-sentinel://:s3cret@a:26379", "NAME"), ("redis-sentinel://:s3cret@a:26379/main/1/2", "NAME"),
        ("unix://relative.s3cret", "unix:///path"),
    ])
    func `what is wrong is said, with what to write, and without the password`(url: String, hint: String) {
        do {
            let deployment = try RedisDeployment(url)
            Issue.record("\(deployment.display) was taken")
        } catch {
            #expect(error.description.contains(hint), "\(error)")
            #expect(error.description.contains("DROVER_REDIS_URL"), "\(error)")
            #expect(!error.description.contains("s3cret"), "\(error)")
        }
    }

    @Test func `nothing that is shown has the password`() throws {
        for url in ["redis://u:s3cret@a,b", "redis-sentinel://u:s3cret@a/n", "redis-cluster://u:s3cret@a:1,b:2"] {
            #expect(!(try RedisDeployment(url).display.contains("s3cret")))
        }
    }
}
