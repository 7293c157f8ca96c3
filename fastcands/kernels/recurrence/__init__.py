"""The layers of recurrent models between their matrix products, and dropout."""
