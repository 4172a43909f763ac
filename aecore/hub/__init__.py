"""The Hugging Face Hub: pull and push runs, publish explorers, fetch data sets."""
