//! One conversation with the kernel's rtnetlink.

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use rtnetlink::Handle;

use super::Result;

/// Talks to rtnetlink in the calling thread's network namespace, until `talk` is done.
pub(crate) fn talk<T>(talk: impl AsyncFnOnce(Handle) -> Result<T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        talk(handle).await
    })
}

/// Asks for something new, with a message that the `rtnetlink` crate has no builder for.
pub(crate) async fn create(mut handle: Handle, message: RouteNetlinkMessage) -> Result<()> {
    use futures_util::StreamExt as _;

    let mut request = NetlinkMessage::from(message);
    request.header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    let mut replies = handle.request(request)?;
    while let Some(reply) = replies.next().await {
        if let NetlinkPayload::Error(error) = reply.payload
            && error.code.is_some()
        {
            return Err(error.to_io().into());
        }
    }
    Ok(())
}

/// The index that netlink's tc messages want signed.
pub(crate) fn tc_index(device: &str) -> Result<i32> {
    let index = super::link::index(device)?;
    Ok(i32::try_from(index).map_err(io::Error::other)?)
}
