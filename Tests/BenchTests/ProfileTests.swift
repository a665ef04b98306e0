/// What a sampled call chain counts as.
import Testing

@testable import drover_bench

@Suite struct ProfileTests {
    private static let text = """
        drover  4711\u{20}
        \tffffffff8100 __tcp_transmit_skb ([kernel.kallsyms])
        \tffffffff8101 tcp_sendmsg ([kernel.kallsyms])
        \tffffffff8102 __x64_sys_sendto ([kernel.kallsyms])
        \t    7f00aa send (/usr/lib/x86_64-linux-gnu/libc.so.6)

        drover  4711\u{20}
        \tffffffff8200 try_to_wake_up ([kernel.kallsyms])
        \tffffffff8102 __x64_sys_sendto ([kernel.kallsyms])

        drover  4712\u{20}
        \tffffffff8300 ext4_sync_file ([kernel.kallsyms])
        \tffffffff8301 do_fsync ([kernel.kallsyms])

        drover  4711\u{20}
        \t    5600aa $s8Tracking5JudgeV5judgeyyF (/opt/drover)
        \t    5600ab $s7Gateway8PipelineC4pingyyF (/opt/drover)

        drover  4711\u{20}
        \t    5600ac $sSa6appendyyxnFTf4 (/opt/drover)
        \t    5600ab $s7Gateway8PipelineC4pingyyF (/opt/drover)

        drover  4711\u{20}
        \t    7f00bb lws_issue_raw (/usr/lib/x86_64-linux-gnu/libwebsockets.so.17)

        """

    @Test func `samples count to the kernel's work, to libraries, and to our own modules`() {
        #expect(
            PerfSamples(Self.text).counts == [
                "kernel send": 1, "wake-ups": 1, "fdatasync": 1, "Tracking": 1, "Gateway": 1, "libwebsockets": 1,
            ])
    }

    @Test func `one thread's samples can be taken alone`() {
        #expect(PerfSamples(Self.text, thread: 4712).counts == ["fdatasync": 1])
    }

    @Test func `the parts make up the whole, largest first`() {
        let parts = PerfSamples(Self.text + Self.text).parts
        #expect(abs(parts.map(\.share).reduce(0, +) - 1) < 1e-9)
        #expect(parts.map(\.share) == parts.map(\.share).sorted(by: >))
    }
}
