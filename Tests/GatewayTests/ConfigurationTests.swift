import Testing

@testable import Gateway

@Suite struct ConfigurationTests {
    @Test func `a misspelt setting is refused with its line and the nearest name`() throws {
        var configuration = Configuration()
        let error = #expect(throws: ConfigurationError.self) {
            try configuration.apply(yaml: "listen: 127.0.0.1:1\nredis:\n  ulr: x\n", name: "drover.yaml")
        }
        #expect(error?.description == "drover.yaml:3: no setting is called redis.ulr; did you mean redis.url?")
    }
}
